// What every page must hold: run in the page, it returns what is wrong.
const wrong = [];
const shown = (element) => element.getClientRects().length > 0;

// A phone's own width: what does not fit makes `innerWidth` larger.
const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > width) {
  const wide = [...document.querySelectorAll("body *")].filter(
    (element) => element.getBoundingClientRect().right > width + 1 && !element.closest("pre"));
  wrong.push(`wider than the window: ${wide.slice(0, 3).map((element) => element.outerHTML.slice(0, 120)).join(" | ")}`);
}

if (document.querySelectorAll("main").length !== 1) wrong.push("not one main");
if (document.documentElement.lang === "") wrong.push("no language");
let level = 0;
for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1) wrong.push(`a heading of level ${own} after ${level}: ${heading.textContent}`);
  level = own;
}
if (document.querySelectorAll("h1").length !== 1) wrong.push("not one h1");

for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea, button")) {
  const name = field.ariaLabel || [...(field.labels ?? [])].map((label) => label.textContent).join("") || field.textContent;
  if (name.trim() === "") wrong.push(`without a name: ${field.outerHTML.slice(0, 120)}`);
}
for (const link of document.querySelectorAll("a")) {
  if (link.textContent.trim() === "") wrong.push(`a link without words: ${link.outerHTML.slice(0, 120)}`);
}
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
if (new Set(ids).size !== ids.length) wrong.push(`an id twice: ${ids}`);
for (const element of document.querySelectorAll("[style]")) wrong.push(`a style in line: ${element.outerHTML.slice(0, 120)}`);

// Contrast, as WCAG 2.2 has it: 4.5 for text.
const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
const luminance = ([red, green, blue]) => {
  const [r, g, b] = [red, green, blue].map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const [red, green, blue, alpha] = channels(getComputedStyle(at).backgroundColor);
    if (alpha !== 0) return [red, green, blue];
  }
  return [255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (walker.currentNode.textContent.trim() === "" || !shown(element)) continue;
  if (element.closest("svg, script, option, datalist, meter")) continue;
  const [one, other] = [luminance(channels(getComputedStyle(element).color)), luminance(behind(element))];
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (ratio < 4.5) wrong.push(`contrast ${ratio.toFixed(2)}: ${element.outerHTML.slice(0, 120)}`);
}

// What is touched is large enough (24 by 24, WCAG 2.2), but for links within text.
for (const button of document.querySelectorAll("button, input:not([type=hidden]), select, a.button")) {
  if (!shown(button) || button.classList.contains("skip")) continue;
  const { width, height } = button.getBoundingClientRect();
  if (width < 20 || height < 20) wrong.push(`too small to touch: ${button.outerHTML.slice(0, 120)}`);
}
return wrong.join("\n");

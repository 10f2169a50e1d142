// New deliveries come to the top of the list. Without this script a reload shows them.
(() => {
  const list = document.querySelector("[data-live]");
  const status = document.getElementById("live-status");
  if (!list || !status || !window.EventSource) return;

  const words = document.createElement("span");
  const button = document.createElement("button");
  button.type = "button";
  // Outside of the region that is read out.
  status.after(button);
  status.append(words);

  let paused = false;
  let waiting = [];
  let count = 0;

  const say = () => {
    button.textContent = paused ? "Resume live updates" : "Pause live updates";
    const number = paused ? waiting.length : count;
    const told = number === 1 ? status.dataset.one : `${number} ${status.dataset.more}`;
    words.textContent = number === 0 ? "" : paused ? `${number} new, not shown while paused.` : told;
  };
  const show = (rows) => {
    document.querySelector(".nothing")?.remove();
    list.prepend(...rows);
    while (list.rows.length > 50) list.deleteRow(-1);
  };
  button.addEventListener("click", () => {
    paused = !paused;
    if (!paused) {
      count += waiting.length;
      show(waiting.slice(0, 50));
      waiting = [];
    }
    say();
  });
  say();

  const source = new EventSource(list.dataset.live);
  source.addEventListener("deliveries", (event) => {
    // The rows are the server's, where every text is escaped.
    const template = document.createElement("template");
    template.innerHTML = event.data;
    const rows = [...template.content.children];
    if (paused) {
      waiting = [...rows, ...waiting].slice(0, 1000);
    } else {
      count += rows.length;
      show(rows);
    }
    say();
  });
})();

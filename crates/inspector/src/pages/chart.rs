//! How deliveries ended, over time: drawn on this side, with a table of the same.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maud::{Markup, html};
use tower_webhook::delivery_log::PerMinute;

use super::parts::{Kind, time};
use crate::text::{count, grouped, length, rfc3339};

/// The most bars; a longer time has wider ones.
const BARS: u64 = 60;

const MINUTE: u64 = 60;

/// The height of the drawing, and the width of a bar with its gap, in its own units.
const HEIGHT: u64 = 100;
const BAR: u64 = 12;

/// The height of a part that would be too low to be seen.
const LOWEST: u64 = 3;

/// From when to when, in whole bars.
pub(super) struct Range {
    pub(super) since: SystemTime,
    pub(super) until: SystemTime,
    /// Whether somebody asked for it; else it is the last hour.
    pub(super) is_asked: bool,
    /// In minutes since 1970.
    first: u64,
    /// How many minutes a bar has.
    width: u64,
    bars: u64,
}

fn minute(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / MINUTE
}

fn at(minute: u64) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_secs(minute.saturating_mul(MINUTE)))
        .unwrap_or(UNIX_EPOCH)
}

impl Range {
    pub(super) fn new(since: SystemTime, until: SystemTime) -> Self {
        let (first, last) = (minute(since), minute(until));
        let minutes = last.saturating_sub(first).saturating_add(1);
        // An hour from within a minute touches 61 of them.
        let width = minutes.saturating_sub(1).div_ceil(BARS).max(1);
        let bars = minutes.div_ceil(width).max(1);
        let first = last.saturating_add(1).saturating_sub(bars.saturating_mul(width));
        Self {
            since,
            until,
            is_asked: true,
            first,
            width,
            bars,
        }
    }

    fn bar(&self, time: SystemTime) -> Option<usize> {
        let bar = minute(time).checked_sub(self.first)? / self.width;
        (bar < self.bars).then(|| usize::try_from(bar).ok()).flatten()
    }

    fn begins(&self, bar: u64) -> SystemTime {
        at(self.first.saturating_add(bar.saturating_mul(self.width)))
    }
}

pub(super) struct Chart<'a> {
    range: &'a Range,
    /// For each bar, how many of each kind.
    bars: Vec<[u64; 3]>,
    /// How many ended how, the most frequent first.
    outcomes: Vec<(String, u64)>,
}

impl<'a> Chart<'a> {
    pub(super) fn new(range: &'a Range, counts: &[PerMinute]) -> Self {
        let mut bars = vec![[0_u64; 3]; usize::try_from(range.bars).unwrap_or_default()];
        let mut outcomes: Vec<(String, u64)> = Vec::new();
        for counted in counts {
            let bar = range.bar(counted.minute).and_then(|bar| bars.get_mut(bar));
            let kind = Kind::of(&counted.outcome) as usize;
            if let Some(place) = bar.and_then(|bar| bar.get_mut(kind)) {
                *place = place.saturating_add(counted.count);
            }
            match outcomes.iter_mut().find(|(outcome, _)| *outcome == counted.outcome) {
                Some((_, sum)) => *sum = sum.saturating_add(counted.count),
                None => outcomes.push((counted.outcome.clone(), counted.count)),
            }
        }
        outcomes.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        Self { range, bars, outcomes }
    }

    fn sums(&self) -> [u64; 3] {
        let mut sums = [0_u64; 3];
        for bar in &self.bars {
            for (sum, count) in sums.iter_mut().zip(bar) {
                *sum = sum.saturating_add(*count);
            }
        }
        sums
    }

    pub(super) fn markup(&self) -> Markup {
        let sums = self.sums();
        let total: u64 = sums.iter().sum();
        let highest = self.bars.iter().map(|bar| bar.iter().sum()).max().unwrap_or(0);
        let width = length(Duration::from_secs(self.range.width.saturating_mul(MINUTE)));
        let until = self.range.begins(self.range.bars);
        let words = Kind::ALL
            .iter()
            .zip(sums)
            .map(|(kind, sum)| format!("{} {}", grouped(sum), kind.words()));
        let summary = format!(
            "{}: {}",
            count(total, "delivery", "deliveries"),
            words.collect::<Vec<_>>().join(", ")
        );
        html! {
            section .chart aria-labelledby="chart-heading" {
                h2 #chart-heading { "Outcomes" @if !self.range.is_asked { " in the last hour" } }
                p .legend {
                    @for (kind, sum) in Kind::ALL.into_iter().zip(sums) {
                        span {
                            svg .swatch viewBox="0 0 12 12" aria-hidden="true" {
                                @if kind == Kind::Refused { (hatch()) }
                                (block(kind, 0, 0, 12, 12))
                            }
                            " " (grouped(sum)) " " (kind.words())
                        }
                    }
                }
                @if total > 0 {
                    (self.drawing(&summary, highest))
                    p .axis aria-hidden="true" {
                        span { (short(self.range.begins(0))) }
                        span { "a bar is " (width) ", the highest has " (grouped(highest)) }
                        span { (short(until)) " UTC" }
                    }
                    details {
                        summary { "The same as tables" }
                        (self.tables(&width))
                    }
                } @else {
                    p .quiet { "None from " (time(self.range.since)) " to " (time(self.range.until)) " UTC." }
                }
            }
        }
    }

    fn drawing(&self, summary: &str, highest: u64) -> Markup {
        let width = self.range.bars.saturating_mul(BAR);
        html! {
            svg .bars viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(summary) {
                line .base x1="0" x2=(width) y1=(HEIGHT) y2=(HEIGHT) {}
                @for (index, bar) in (0_u64..).zip(&self.bars) {
                    @let parts = stacked(bar, highest);
                    @if !parts.is_empty() {
                        g {
                            title { (tip(self.range.begins(index), bar)) }
                            @for (kind, top, height) in parts { (block(kind, index.saturating_mul(BAR), top, BAR - 2, height)) }
                        }
                    }
                }
            }
        }
    }

    fn tables(&self, width: &str) -> Markup {
        html! {
            table .plain {
                caption { "How many ended how" }
                thead { tr { th scope="col" { "Outcome" } th scope="col" { "Deliveries" } } }
                tbody {
                    @for (outcome, count) in &self.outcomes {
                        tr { th scope="row" { (super::parts::outcome(outcome)) } td { (grouped(*count)) } }
                    }
                }
            }
            table .plain {
                caption { "For each " (width) " that had any" }
                thead {
                    tr {
                        th scope="col" { "From (UTC)" }
                        @for kind in Kind::ALL { th scope="col" { (kind.words()) } }
                    }
                }
                tbody {
                    @for (index, bar) in (0_u64..).zip(&self.bars) {
                        @if bar.iter().any(|count| *count > 0) {
                            tr {
                                th scope="row" { (time(self.range.begins(index))) }
                                @for count in bar { td { (grouped(*count)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The parts of a bar from the bottom up: kind, top and height. What is there is seen, however
/// little it is beside the rest.
fn stacked(bar: &[u64; 3], highest: u64) -> Vec<(Kind, u64, u64)> {
    let mut heights = bar.map(|count| match count.saturating_mul(HEIGHT).checked_div(highest) {
        Some(height) if count > 0 => height.max(LOWEST),
        _ => 0,
    });
    let excess = heights.iter().sum::<u64>().saturating_sub(HEIGHT);
    if let Some(largest) = heights.iter_mut().max() {
        *largest = largest.saturating_sub(excess);
    }
    let mut top = HEIGHT;
    let parts = Kind::ALL.into_iter().zip(heights).filter(|(_, height)| *height > 0);
    parts
        .map(|(kind, height)| {
            top = top.saturating_sub(height);
            (kind, top, height)
        })
        .collect()
}

/// A block in a kind's colour, and in its pattern for those who tell no colours apart.
fn block(kind: Kind, x: u64, y: u64, width: u64, height: u64) -> Markup {
    html! {
        rect class=(kind.class()) x=(x) y=(y) width=(width) height=(height) {}
        @if kind == Kind::Refused { rect x=(x) y=(y) width=(width) height=(height) fill="url(#hatch)" {} }
    }
}

/// The pattern, once in a document.
fn hatch() -> Markup {
    html! {
        defs {
            pattern #hatch width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                rect .hatch width="2" height="4" {}
            }
        }
    }
}

fn tip(begins: SystemTime, bar: &[u64; 3]) -> String {
    let parts = Kind::ALL.into_iter().zip(bar).filter(|(_, count)| **count > 0);
    let parts: Vec<_> = parts.map(|(kind, count)| format!("{count} {}", kind.words())).collect();
    format!("{} UTC: {}", short(begins), parts.join(", "))
}

/// Without year and seconds.
fn short(time: SystemTime) -> String {
    let text = rfc3339(time).unwrap_or_default();
    text.get(5..16).unwrap_or_default().replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time_of(text: &str) -> SystemTime {
        humantime::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn an_hour_has_a_bar_for_each_minute_and_longer_times_wider_ones() {
        let until = time_of("2026-01-01T12:00:30Z");
        let hour = Range::new(time_of("2026-01-01T11:00:30Z"), until);
        assert_eq!((hour.width, hour.bars), (1, 61));
        assert_eq!(hour.bar(time_of("2026-01-01T12:00:00Z")), Some(60));
        assert_eq!(hour.bar(time_of("2026-01-01T11:00:00Z")), Some(0));
        assert_eq!(hour.bar(time_of("2026-01-01T10:59:59Z")), None);
        let day = Range::new(time_of("2025-12-31T12:00:30Z"), until);
        assert_eq!(day.width, 24);
        assert!(day.bars <= BARS + 1);
        assert_eq!(day.bar(until), Some(usize::try_from(day.bars - 1).unwrap()));
        let backwards = Range::new(until, time_of("2025-12-31T12:00:30Z"));
        assert_eq!(backwards.bars, 1);
        let ever = Range::new(UNIX_EPOCH, time_of("9999-12-31T23:59:59Z"));
        assert!(ever.bars <= BARS + 1);
    }

    #[test]
    fn what_is_there_is_seen() {
        assert_eq!(
            stacked(&[1000, 1, 1], 1002),
            [(Kind::Well, 6, 94), (Kind::Refused, 3, 3), (Kind::Failed, 0, 3)],
        );
        assert_eq!(stacked(&[0, 0, 0], 10), []);
    }
}

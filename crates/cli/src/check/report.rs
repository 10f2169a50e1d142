//! The report of a run: a table, JSON, or JUnit's XML.

use std::time::Duration;

use anstyle::AnsiColor;
use comfy_table::{ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;

use super::judge::Outcome;
use crate::output::coloured;

/// The result of a case.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) name: String,
    pub(crate) expected: String,
    pub(crate) got: String,
    #[serde(rename = "verdict", serialize_with = "by_name")]
    pub(crate) outcome: Outcome,
    pub(crate) why: &'static str,
}

fn by_name<S: serde::Serializer>(outcome: &Outcome, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(outcome.name())
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) cases: Vec<Finding>,
    pub(crate) url: String,
    pub(crate) provider: &'static str,
    /// Whether runs were counted: otherwise nothing is known of those that ran twice.
    pub(crate) counted: bool,
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// How long it took until the first case failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_failure_ms: Option<u64>,
    pub(crate) took_ms: u64,
}

impl Report {
    pub(crate) fn new(
        url: String,
        provider: &'static str,
        counted: bool,
        cases: Vec<Finding>,
        first: Option<Duration>,
        took: Duration,
    ) -> Self {
        let passed = cases.iter().filter(|case| case.outcome == Outcome::Passes).count();
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            url,
            provider,
            counted,
            passed,
            failed: cases.len() - passed,
            cases,
            first_failure_ms: first.map(milliseconds),
            took_ms: milliseconds(took),
        }
    }

    /// For a terminal: what failed, or everything, and a line of numbers.
    pub(crate) fn text(&self, all: bool, width: Option<u16>) -> String {
        let shown = |case: &&Finding| all || case.outcome != Outcome::Passes;
        let mut text = String::new();
        if self.cases.iter().any(|case| shown(&case)) {
            let mut table = Table::new();
            table
                .load_preset(UTF8_BORDERS_ONLY)
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width.unwrap_or(120))
                .set_header(["case", "expected", "got", "verdict"]);
            for case in self.cases.iter().filter(shown) {
                table.add_row([&*case.name, &*case.expected, &*case.got, case.outcome.name()]);
            }
            text.push_str(&format!("{table}\n"));
        }
        for case in self.cases.iter().filter(|case| case.outcome != Outcome::Passes) {
            let outcome = coloured(AnsiColor::Red, case.outcome.name());
            text.push_str(&format!("{outcome}: {}\n    why: {}\n", case.name, case.why));
        }
        text.push_str(&self.summary());
        text
    }

    fn summary(&self) -> String {
        let kinds = Outcome::FAILURES.iter().filter_map(|outcome| {
            let number = self.cases.iter().filter(|case| case.outcome == *outcome).count();
            (number > 0).then(|| format!("{number} {outcome}"))
        });
        let kinds: Vec<String> = kinds.collect();
        let passed = format!("{} of {} cases pass", self.passed, self.cases.len());
        let passed = match self.failed {
            0 => coloured(AnsiColor::Green, &passed),
            _ => format!("{passed}; {}", coloured(AnsiColor::Red, &kinds.join(", "))),
        };
        let seconds = Duration::from_millis(self.took_ms).as_secs_f64();
        let counted = if self.counted {
            ""
        } else {
            "\nruns were not counted: what runs twice or is lost is not seen without --count-url or --count-listen"
        };
        format!("{passed} ({seconds:.1} s, as {}){counted}", self.provider)
    }

    /// As CI systems read it.
    pub(crate) fn junit(&self) -> String {
        let seconds = Duration::from_millis(self.took_ms).as_secs_f64();
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"tower-webhook check {}\" \
             tests=\"{}\" failures=\"{}\" errors=\"0\" time=\"{seconds:.3}\">\n",
            self.provider,
            self.cases.len(),
            self.failed
        );
        for case in &self.cases {
            let name = escaped(&case.name);
            text.push_str(&format!("<testcase classname=\"{}\" name=\"{name}\"", self.provider));
            if case.outcome == Outcome::Passes {
                text.push_str("/>\n");
            } else {
                text.push_str(&format!(
                    "><failure type=\"{}\" message=\"expected {}, got {}\">{}</failure></testcase>\n",
                    case.outcome,
                    escaped(&case.expected),
                    escaped(&case.got),
                    escaped(case.why)
                ));
            }
        }
        text.push_str("</testsuite>\n</testsuites>\n");
        text
    }
}

/// As XML writes it; what XML cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let finding = |name: &str, outcome| Finding {
            name: name.to_owned(),
            expected: "4xx, nothing runs".to_owned(),
            got: "200".to_owned(),
            outcome,
            why: "somebody <b>did</b> it",
        };
        let cases = vec![finding("a & b", Outcome::FailsOpen), finding("c", Outcome::Passes)];
        let took = Duration::from_millis(1500);
        Report::new("http://127.0.0.1/".to_owned(), "stripe", false, cases, Some(took), took)
    }

    #[test]
    fn json_has_the_fields_that_programs_read() {
        let value = serde_json::to_value(report()).unwrap();
        assert_eq!(
            value["cases"][0],
            serde_json::json!({
                "name": "a & b", "expected": "4xx, nothing runs", "got": "200", "verdict": "fails open",
                "why": "somebody <b>did</b> it",
            })
        );
        assert_eq!((&value["passed"], &value["failed"]), (&1.into(), &1.into()));
    }

    #[test]
    fn junit_is_xml_whatever_a_name_holds() {
        let text = report().junit();
        assert!(text.contains("tests=\"2\" failures=\"1\""), "{text}");
        assert!(
            text.contains("name=\"a &amp; b\"><failure type=\"fails open\""),
            "{text}"
        );
        assert!(text.contains("somebody &lt;b&gt;did&lt;/b&gt; it"), "{text}");
    }

    #[test]
    fn the_table_has_what_failed_and_all_of_it_on_request() {
        let text = report().text(false, None);
        assert!(text.contains("a & b") && !text.contains("│ c "), "{text}");
        assert!(text.contains("1 of 2 cases pass"), "{text}");
        assert!(report().text(true, None).contains("│ c "));
    }
}

//! What has to be true of all events when it is over, whenever the processes were killed.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use super::{provider::Provider, shared::Booked};

/// What the processes said, each line with the number of who said it, in their order.
pub(super) type Said = Vec<(u64, String)>;

/// What became of the events, and how many runs were cut off where.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    events: u64,
    repeated: u64,
    doubles: usize,
    before_the_effect: usize,
    between_effect_and_settlement: usize,
    between_settlement_and_answer: usize,
    dead: usize,
}

impl Judgement {
    pub(super) fn cut_off(&self) -> usize {
        self.before_the_effect + self.between_effect_and_settlement + self.between_settlement_and_answer
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            events,
            repeated,
            doubles,
            before_the_effect,
            between_effect_and_settlement,
            between_settlement_and_answer,
            dead,
        } = self;
        write!(
            f,
            "{events} events, {doubles} doubles, {repeated} acknowledged once more; runs cut off before the effect {before_the_effect}, \
             between effect and settlement {between_effect_and_settlement}, between settlement and answer {between_settlement_and_answer}; {dead} dead"
        )
    }
}

#[derive(Default)]
struct Life {
    /// The processes in which a run began, had its effect, and was settled.
    started: Vec<u64>,
    effects: Vec<u64>,
    settled: Vec<u64>,
}

impl Life {
    /// Each effect is of another process, and of a run that began there. The processes in which
    /// one did.
    fn assert_no_process_did_it_twice(&self, id: &str) -> HashSet<&u64> {
        let processes: HashSet<_> = self.effects.iter().collect();
        assert_eq!(
            processes.len(),
            self.effects.len(),
            "{id}: one process did it twice: {:?}",
            self.effects
        );
        let started: HashSet<_> = self.started.iter().collect();
        assert!(processes.is_subset(&started), "{id}: an effect without a run");
        started
    }
}

/// The events that this process has said anything of, by their ids.
fn lives<'s>(said: &'s Said, booked: &'s [Booked]) -> HashMap<&'s str, Life> {
    let mut lives = HashMap::<&str, Life>::new();
    for (process, line) in said {
        let (what, id) = line.split_once(' ').unwrap_or((line, ""));
        match what {
            "started" => {
                let life = lives.entry(id).or_default();
                assert_eq!(
                    life.settled, [0; 0],
                    "{id} began in process {process}: it was settled before"
                );
                life.started.push(*process);
            }
            "settled" => lives.entry(id).or_default().settled.push(*process),
            "listening" | "working" | "" => {}
            _ => panic!("process {process} said: {line}"),
        }
    }
    for (id, process) in booked {
        lives.entry(id).or_default().effects.push(*process);
    }
    lives
}

/// All events were acknowledged and handled, none ran after it was settled, let alone acknowledged,
/// and each of its effects but the last is of a process that was killed before it had settled it.
/// In a transaction there is one.
pub(super) fn judge(provider: &Provider, said: &Said, booked: &[Booked], in_transaction: bool) -> Judgement {
    let mut lives = lives(said, booked);
    let mut judgement = Judgement {
        events: provider.sent(),
        repeated: provider.repeated(),
        ..Judgement::default()
    };
    for number in 0..provider.sent() {
        let id = number.to_string();
        let acknowledged = provider
            .acknowledged(&id)
            .unwrap_or_else(|| panic!("{id} was never acknowledged"));
        let life = lives.remove(&*id).unwrap_or_default();
        assert!(
            !life.effects.is_empty(),
            "{id} is lost: acknowledged, and without effect"
        );
        // Of the processes before the one that acknowledged it, none had; and they were all killed.
        for process in life.started.iter().chain(&life.effects) {
            assert!(
                *process <= acknowledged,
                "{id} ran in process {process}: it was acknowledged by {acknowledged}"
            );
        }
        let started = life.assert_no_process_did_it_twice(&id);
        if in_transaction {
            assert_eq!(
                life.effects.len(),
                1,
                "{id}: effects in the processes {:?}",
                life.effects
            );
        }
        judgement.doubles += life.effects.len() - 1;
        for process in started {
            let (effect, settled) = (life.effects.contains(process), life.settled.contains(process));
            match (effect, settled) {
                (false, _) => judgement.before_the_effect += 1,
                (true, false) if *process != acknowledged => judgement.between_effect_and_settlement += 1,
                (true, true) if *process != acknowledged => judgement.between_settlement_and_answer += 1,
                (true, _) => {}
            }
        }
    }
    assert!(lives.is_empty(), "nobody sent {:?}", lives.keys());
    judgement
}

/// All that was acknowledged has its effect, or is dead after three claims that were cut off. None
/// ran after it was settled, and each effect but the last is of a process that was killed before it
/// had settled it. In a transaction there is one.
pub(super) fn judge_inbox(
    provider: &Provider,
    said: &Said,
    booked: &[Booked],
    dead: &HashSet<String>,
    in_transaction: bool,
) -> Judgement {
    let mut lives = lives(said, booked);
    let mut judgement = Judgement {
        events: provider.sent(),
        repeated: provider.repeated(),
        dead: dead.len(),
        ..Judgement::default()
    };
    for number in 0..provider.sent() {
        let id = number.to_string();
        assert!(provider.acknowledged(&id).is_some(), "{id} was never acknowledged");
        let life = lives.remove(&*id).unwrap_or_default();
        // A process may also have died between its claim and the run.
        let is_lost = life.effects.is_empty() && !dead.contains(&id);
        assert!(!is_lost, "{id} is lost: acknowledged, and without effect");
        let started = life.assert_no_process_did_it_twice(&id);
        if in_transaction {
            assert!(
                life.effects.len() <= 1,
                "{id}: effects in the processes {:?}",
                life.effects
            );
        }
        judgement.doubles += life.effects.len().saturating_sub(1);
        for process in started {
            match (life.effects.contains(process), life.settled.contains(process)) {
                (false, _) => judgement.before_the_effect += 1,
                (true, false) => judgement.between_effect_and_settlement += 1,
                (true, true) => {}
            }
        }
    }
    // Three processes may by chance have died at the same event, and no more than by chance.
    assert!(dead.len() as u64 * 50 <= provider.sent() + 50, "dead: {dead:?}");
    assert!(lives.is_empty(), "nobody sent {:?}", lives.keys());
    judgement
}

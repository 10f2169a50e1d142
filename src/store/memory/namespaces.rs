use std::sync::{Arc, PoisonError, RwLock};

use super::compact::Namespace;

/// Of the namespaces that came when all numbers were given away.
const OTHERS: Namespace = Namespace(u16::MAX);

/// A number for each namespace, so that a finished event can say in two bytes whose it is.
#[derive(Default)]
pub(super) struct Namespaces(RwLock<Vec<Arc<str>>>);

impl Namespaces {
    pub(super) fn number_of(&self, name: &str) -> Namespace {
        self.known(name).unwrap_or_else(|| self.introduce(name))
    }

    /// The number of a namespace that was heard of.
    pub(super) fn known(&self, name: &str) -> Option<Namespace> {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        position(&names, name)
    }

    fn introduce(&self, name: &str) -> Namespace {
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = position(&names, name) {
            return number;
        }
        match u16::try_from(names.len()).map(Namespace) {
            Ok(number) if number != OTHERS => {
                names.push(name.into());
                number
            }
            _ => OTHERS,
        }
    }
}

fn position(names: &[Arc<str>], name: &str) -> Option<Namespace> {
    let position = names.iter().position(|known| **known == *name)?;
    u16::try_from(position).ok().map(Namespace)
}

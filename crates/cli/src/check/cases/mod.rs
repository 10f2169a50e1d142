//! The cases, the forged ones first: a receiver that lets them in is to be found at once.

mod algorithms;
mod altered;
mod forged;
mod forms;
mod hostile;
mod legitimate;
mod pieces;
mod repeated;
mod times;
mod transport;

use super::case::Case;
use crate::provider::Signer;

/// All that make sense for this provider.
pub(crate) fn all(signer: &Signer, further_secrets: usize) -> Vec<Case> {
    let provider = signer.provider;
    let mut cases = forged::cases(provider);
    cases.extend(algorithms::cases(provider));
    cases.extend(altered::cases(provider));
    cases.extend(times::cases(signer));
    cases.extend(legitimate::cases(provider, further_secrets));
    cases.extend(pieces::cases());
    cases.extend(repeated::cases(provider));
    cases.extend(forms::cases(provider));
    cases.extend(hostile::cases(provider));
    cases.extend(transport::cases());
    cases.push(transport::even_times());
    cases
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::provider::Provider;

    #[test]
    fn each_provider_has_some_hundred_cases_and_each_case_has_a_name_and_a_reason() {
        for name in Provider::names() {
            let provider = Provider::named(name).unwrap();
            let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
            let signer = Signer::new(provider, "http://127.0.0.1/", secret).unwrap();
            let cases = all(&signer, 1);
            let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
            assert_eq!(names.len(), cases.len(), "{name}: a name stands for one case");
            assert!(cases.len() >= 120, "{name}: {}", cases.len());
            assert!(cases.iter().all(|case| case.why.len() > 20), "{name}");
        }
    }
}

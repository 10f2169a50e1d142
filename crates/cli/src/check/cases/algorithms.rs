//! Tags by another algorithm than the provider's.

use sha2::{Digest as _, Sha256};

use super::{
    super::case::{Case, Maker, refused},
    forged::flipped,
};
use crate::{
    failure::Failure,
    provider::{Hash, Provider},
    wire::Request,
};

pub(super) fn cases(provider: &'static Provider) -> Vec<Case> {
    let mut cases = vec![
        refused(
            "HMAC-SHA1 with the right secret",
            "a receiver that guesses the algorithm by the tag's length can be led to the weakest",
            |maker| hashed(maker, Hash::Sha1),
        ),
        match provider.shape.hash {
            Hash::Sha512 => refused(
                "HMAC-SHA256 with the right secret",
                "the algorithm is the receiver's choice, never the request's",
                |maker| hashed(maker, Hash::Sha256),
            ),
            _ => refused(
                "HMAC-SHA512 with the right secret",
                "the algorithm is the receiver's choice, never the request's",
                |maker| hashed(maker, Hash::Sha512),
            ),
        },
        refused(
            "a plain SHA-256 of the body",
            "a digest without a key is one that anybody can make",
            |maker| maker.altered_tag(|body| Sha256::digest(body).to_vec()),
        ),
        refused(
            "the tag over an empty body",
            "a body that a parser has consumed is empty when it is verified; one capture then signs everything",
            |maker| {
                let mut request = maker.usual()?;
                let claims = maker.signer.claims(&request);
                let mut empty = claims.clone();
                empty.body = bytes::Bytes::new();
                maker.signer.put(&mut request, &claims, &maker.signer.tag(&empty));
                Ok(request)
            },
        ),
    ];
    let label = provider.shape.value.split("{tag}").next().unwrap_or_default();
    if label == "sha256=" {
        for (name, hash) in [
            ("sha1", Some(Hash::Sha1)),
            ("sha512", Some(Hash::Sha512)),
            ("none", None),
        ] {
            cases.push(refused(
                format!("the prefix {name}= chooses the algorithm"),
                "`createHmac(signature.split('=')[0], …)` lets the request choose: the flaw of JWT's `alg`",
                move |maker| {
                    let mut request = maker.usual()?;
                    let claims = maker.signer.claims(&request);
                    let mac = hash.map(|hash| maker.signer.mac(hash, maker.signer.key(), &claims));
                    let tag = mac.map(hex::encode).unwrap_or_default();
                    request.set(maker.signer.header(), format!("{name}={tag}"));
                    Ok(request)
                },
            ));
        }
    }
    if !label.is_empty() && provider.list.is_none() {
        cases.push(refused(
            "another version's label before a wrong tag",
            "a label that is not known must not end the check",
            move |maker| {
                let mut request = maker.usual()?;
                let tag = flipped(&maker.signer.tag_in(&request), 0);
                request.set(maker.signer.header(), format!("v9={tag}"));
                Ok(request)
            },
        ));
    }
    if let "github" | "square" | "dwolla" = provider.name {
        let legacy = match provider.name {
            "github" => "x-hub-signature",
            "square" => "x-square-signature",
            _ => "x-request-signature",
        };
        cases.push(refused(
            "the legacy SHA-1 header alone",
            "providers still send it beside the newer one; a fallback to it is a downgrade for everybody",
            move |maker| {
                let mut request = maker.usual()?;
                let claims = maker.signer.claims(&request);
                let mac = maker.signer.mac(Hash::Sha1, maker.signer.key(), &claims);
                request.remove(maker.signer.header());
                let tag = maker.signer.write(&mac);
                request.append(
                    legacy,
                    if legacy.contains("hub") {
                        format!("sha1={tag}")
                    } else {
                        tag
                    },
                );
                Ok(request)
            },
        ));
    }
    cases
}

/// With a tag by this hash, as the provider would write it.
fn hashed(maker: &Maker, hash: Hash) -> Result<Request, Failure> {
    let mut request = maker.usual()?;
    let claims = maker.signer.claims(&request);
    let mac = maker.signer.mac(hash, maker.signer.key(), &claims);
    maker.signer.put(&mut request, &claims, &maker.signer.write(&mac));
    Ok(request)
}

impl Maker {
    /// A tag that is no MAC: these bytes of the body.
    fn altered_tag(&self, tag: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<Request, Failure> {
        let mut request = self.usual()?;
        let claims = self.signer.claims(&request);
        let tag = self.signer.write(&tag(&claims.body));
        self.signer.put(&mut request, &claims, &tag);
        Ok(request)
    }
}

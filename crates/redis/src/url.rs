//! URLs that name several servers. The crate `redis` reads URLs of one server: here they are split
//! into such.

/// The servers of a URL: each text is the URL of one server.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub(crate) enum Target {
    Server(String),
    /// Nodes of a cluster, which tell of the others.
    Cluster(Vec<String>),
    Sentinel {
        sentinels: Vec<String>,
        /// The name under which the sentinels know their primary.
        primary: String,
        /// Its user, password and database, beside an address that is not its own.
        server: String,
    },
}

/// The port of a sentinel, unless it is told otherwise.
const SENTINEL_PORT: &str = "26379";
const EXPECTED_SENTINEL: &str = "expected redis+sentinel://[user:password@]host:port,…/NAME[/database], with \
                                 ?sentinel_password=… (and sentinel_username=…) where the sentinels want one";

/// Errors say what is wrong and never repeat the URL.
pub(crate) fn target(url: &str) -> Result<Target, String> {
    match url.split_once("://") {
        Some(("redis+cluster", rest)) => cluster("redis", rest),
        Some(("rediss+cluster", rest)) => cluster("rediss", rest),
        Some(("redis+sentinel", rest)) => sentinel(rest),
        _ => Ok(Target::Server(url.to_owned())),
    }
}

fn cluster(scheme: &str, rest: &str) -> Result<Target, String> {
    let Parts { user, hosts, path } = parts(rest)?;
    let nodes = hosts.map(|host| format!("{scheme}://{user}{host}{path}"));
    Ok(Target::Cluster(nodes.collect()))
}

fn sentinel(rest: &str) -> Result<Target, String> {
    let Parts { user, hosts, path } = parts(rest)?;
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
    let primary = segments.next().unwrap_or_default();
    let database = segments.next().unwrap_or_default();
    if primary.is_empty() {
        return Err(format!("it names no primary; {EXPECTED_SENTINEL}"));
    }
    if segments.next().is_some() {
        return Err(format!("it has more after the database; {EXPECTED_SENTINEL}"));
    }
    let (mut name, mut password) = ("", "");
    for setting in query.split('&').filter(|setting| !setting.is_empty()) {
        match setting.split_once('=') {
            Some(("sentinel_username", value)) => name = value,
            Some(("sentinel_password", value)) => password = value,
            _ => return Err(format!("it has another setting after the ?; {EXPECTED_SENTINEL}")),
        }
    }
    let as_whom = if password.is_empty() {
        String::new()
    } else {
        format!("{name}:{password}@")
    };
    let mut sentinels = Vec::new();
    for host in hosts {
        // After the bracket of an IPv6 address, if it is one.
        let has_port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let port = if has_port {
            String::new()
        } else {
            format!(":{SENTINEL_PORT}")
        };
        sentinels.push(format!("redis://{as_whom}{host}{port}"));
    }
    Ok(Target::Sentinel {
        sentinels,
        primary: primary.to_owned(),
        server: format!("redis://{user}localhost/{database}"),
    })
}

struct Parts<'u, H> {
    /// With its `@`; or nothing.
    user: &'u str,
    hosts: H,
    /// The rest of the URL after the hosts, from the first `/` or `?`.
    path: &'u str,
}

fn parts(rest: &str) -> Result<Parts<'_, impl Iterator<Item = &str>>, String> {
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    // What is not escaped ends up where it would be logged.
    if path.contains('@') || user.matches('@').count() > 1 {
        return Err(
            "it has an @ after the host, or two; expected one user and password for all hosts, before the first, and in the \
             password /, ?, # and @ as %2F, %3F, %23 and %40"
                .to_owned(),
        );
    }
    if path.contains('#') {
        return Err("it has a #; expected none".to_owned());
    }
    if hosts.split(',').any(str::is_empty) {
        return Err("it has no host, or none between two commas; expected host:port,host:port".to_owned());
    }
    Ok(Parts {
        user,
        hosts: hosts.split(','),
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn each_node_of_a_cluster_has_the_user_and_the_database() {
        let nodes = |url: &str| match target(url) {
            Ok(Target::Cluster(nodes)) => nodes,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            nodes("redis+cluster://u:p,w@a:1,[::1]:2,c/0"),
            strings(&["redis://u:p,w@a:1/0", "redis://u:p,w@[::1]:2/0", "redis://u:p,w@c/0"])
        );
        assert_eq!(nodes("rediss+cluster://a"), strings(&["rediss://a"]));
    }

    #[test]
    fn sentinels_have_a_password_of_their_own_and_a_port_of_their_own() {
        let url = "redis+sentinel://u:p@a,[::1],[::1]:3/main/2?sentinel_password=s%40&sentinel_username=w";
        let expected = Target::Sentinel {
            sentinels: strings(&[
                "redis://w:s%40@a:26379",
                "redis://w:s%40@[::1]:26379",
                "redis://w:s%40@[::1]:3",
            ]),
            primary: "main".to_owned(),
            server: "redis://u:p@localhost/2".to_owned(),
        };
        assert_eq!(target(url), Ok(expected));
        let expected = Target::Sentinel {
            sentinels: strings(&["redis://a:1"]),
            primary: "main".to_owned(),
            server: "redis://localhost/".to_owned(),
        };
        assert_eq!(target("redis+sentinel://a:1/main"), Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_said_and_nothing_of_it_repeated() {
        for (url, reason) in [
            ("redis+cluster://", "it has no host"),
            ("redis+cluster://:hunter2@", "it has no host"),
            (
                "redis+cluster://a,,hunter2",
                "it has no host, or none between two commas",
            ),
            ("redis+cluster://:hunter2/x@a", "it has an @ after the host"),
            (
                "redis+cluster://:hunter2@a,:hunter2@b",
                "it has an @ after the host, or two",
            ),
            ("redis+cluster://a#hunter2", "it has a #"),
            (
                "redis+sentinel://a:1",
                "it names no primary; expected redis+sentinel://",
            ),
            ("redis+sentinel://a:1//hunter2", "it names no primary"),
            ("redis+sentinel://a:1/main/0/hunter2", "it has more after the database"),
            (
                "redis+sentinel://a:1/main?hunter2",
                "it has another setting after the ?",
            ),
            ("redis+sentinel://:hunter2?x@a:1/main", "it has an @ after the host"),
        ] {
            let error = target(url).unwrap_err();
            assert!(error.starts_with(reason) && !error.contains("hunter2"), "{error}");
        }
    }
}

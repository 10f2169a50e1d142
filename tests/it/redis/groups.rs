//! Several servers: a cluster, and a primary with its replica and those that watch it.

use std::{sync::OnceLock, time::Duration};

use super::server::{Program, Server, free_port, until};

/// Servers that nobody kills have time: on a busy machine they would take each other for dead.
pub(super) const PATIENT: Duration = Duration::from_secs(30);
/// After this time without an answer a server is taken for dead.
pub(super) const QUICK: Duration = Duration::from_secs(1);

/// Three primaries, each with a third of the slots and a replica.
pub(crate) struct Cluster {
    pub(super) primaries: Vec<Server>,
    pub(super) replicas: Vec<Server>,
}

impl Cluster {
    /// One that nobody kills.
    pub(crate) fn shared(program: Program) -> Option<&'static Self> {
        static REDIS: OnceLock<Option<Cluster>> = OnceLock::new();
        static VALKEY: OnceLock<Option<Cluster>> = OnceLock::new();
        let shared = match program {
            Program::Redis => &REDIS,
            Program::Valkey => &VALKEY,
        };
        shared.get_or_init(|| Self::start(program, PATIENT)).as_ref()
    }

    /// `patience`: after which a primary is taken for dead, and its replica takes its place.
    pub(super) fn start(program: Program, patience: Duration) -> Option<Self> {
        let patience = patience.as_millis().to_string();
        let mut nodes = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..6 {
            let bus = free_port().to_string();
            nodes.push(Server::start_as(
                program,
                &[
                    "--cluster-enabled",
                    "yes",
                    "--cluster-port",
                    &bus,
                    "--cluster-node-timeout",
                    &patience,
                    // However old its data is: the tests say what is lost.
                    "--cluster-replica-validity-factor",
                    "0",
                    "--repl-diskless-sync-delay",
                    "0",
                ],
            )?);
            buses.push(bus);
        }
        for (number, node) in nodes.iter().enumerate() {
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
        }
        for (node, [first, last]) in nodes.iter().zip([["0", "5460"], ["5461", "10922"], ["10923", "16383"]]) {
            node.command(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &node.port().to_string(), bus]);
        }
        until("all know all", || {
            nodes.iter().all(|node| {
                let known = node.command(&["CLUSTER", "NODES"]);
                known.lines().count() == 6 && !known.contains("handshake") && !known.contains("noaddr")
            })
        });
        let replicas = nodes.split_off(3);
        for (primary, replica) in nodes.iter().zip(&replicas) {
            replica.command(&["CLUSTER", "REPLICATE", &primary.command(&["CLUSTER", "MYID"])]);
        }
        let cluster = Self {
            primaries: nodes,
            replicas,
        };
        cluster.settled();
        Some(cluster)
    }

    /// Waits until every slot is served, every node knows it, and each primary has a replica.
    fn settled(&self) {
        until("the cluster is settled", || {
            self.nodes().all(|node| {
                let info = node.command(&["CLUSTER", "INFO"]);
                // A replica is told of when it has said that it has data.
                let slots = node.command(&["CLUSTER", "SLOTS"]);
                info.contains("cluster_state:ok")
                    && self
                        .nodes()
                        .all(|other| slots.contains(&format!("\n{}\n", other.port())))
            }) && self.replicas.iter().all(is_in_step)
        });
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Server> {
        self.primaries.iter().chain(&self.replicas)
    }

    /// All nodes: which of them are primaries, the cluster says.
    pub(crate) fn url(&self) -> String {
        self.url_as("")
    }

    pub(super) fn url_as(&self, user: &str) -> String {
        let hosts: Vec<_> = self.nodes().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis+cluster://{user}{}", hosts.join(","))
    }

    /// Which of the three has the key with this name.
    pub(super) fn third(&self, name: &str) -> usize {
        let slot = self.primaries[1].command(&["CLUSTER", "KEYSLOT", name]);
        match slot.parse().unwrap() {
            0..=5460_u16 => 0,
            5461..=10922 => 1,
            _ => 2,
        }
    }
}

/// A primary, its replica, and three sentinels, of which two decide.
pub(crate) struct Watched {
    pub(super) primary: Server,
    pub(super) replica: Server,
    pub(super) sentinels: Vec<Server>,
}

impl Watched {
    /// One that nobody kills.
    pub(crate) fn shared(program: Program) -> Option<&'static Self> {
        static REDIS: OnceLock<Option<Watched>> = OnceLock::new();
        static VALKEY: OnceLock<Option<Watched>> = OnceLock::new();
        let shared = match program {
            Program::Redis => &REDIS,
            Program::Valkey => &VALKEY,
        };
        shared.get_or_init(|| Self::start(program, PATIENT, &[])).as_ref()
    }

    /// `settings`: of the primary and the replica.
    pub(super) fn start(program: Program, patience: Duration, settings: &[&str]) -> Option<Self> {
        let settings = [&["--repl-diskless-sync-delay", "0"], settings].concat();
        let primary = Server::start_as(program, &settings)?;
        let port = primary.port().to_string();
        let replica = Server::start_as(program, &[&settings[..], &["--replicaof", "127.0.0.1", &port]].concat())?;
        until("the replica is in step", || is_in_step(&replica));
        let watch = format!(
            "sentinel monitor main 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds main {}\n\
             sentinel failover-timeout main 5000\n",
            patience.as_millis()
        );
        let sentinels: Vec<_> = (0..3)
            .map(|_| Server::start_sentinel(program, watch.clone()))
            .collect::<Option<_>>()?;
        until("the sentinels know each other", || {
            sentinels.iter().all(|sentinel| {
                let known = sentinel.command(&["SENTINEL", "MASTERS"]);
                known.contains("num-other-sentinels\n2\n") && known.contains("num-slaves\n1\n")
            })
        });
        Some(Self {
            primary,
            replica,
            sentinels,
        })
    }

    pub(crate) fn url(&self) -> String {
        let hosts: Vec<_> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port()))
            .collect();
        format!("redis+sentinel://{}/main", hosts.join(","))
    }
}

fn is_in_step(replica: &Server) -> bool {
    replica
        .command(&["INFO", "replication"])
        .contains("master_link_status:up")
}

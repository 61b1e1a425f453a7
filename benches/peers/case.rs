//! What is measured, and what is aimed at.

/// One kind of load.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) letter: char,
    pub(crate) name: &'static str,
    /// Which of the origin's files.
    pub(crate) path: &'static str,
    pub(crate) connections: usize,
    /// A new connection for each request.
    pub(crate) close: bool,
    pub(crate) goal: Goal,
}

/// How much CPU time portico may take at most, as a share of what a peer takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Of the better one of nginx-tuned and haproxy.
    Best(f64),
    /// Of nginx.
    Nginx(f64),
}

/// How much memory an idle connection may take at most, in KiB.
pub(crate) const IDLE_KIB: f64 = 20.0;

/// Every case.
pub(crate) const CASES: [Case; 5] = [
    Case {
        letter: 'A',
        name: "keep-alive, 1 KiB",
        path: "/small",
        connections: 64,
        close: false,
        goal: Goal::Best(0.88),
    },
    Case { letter: 'B', name: "64 KiB", path: "/64k", connections: 64, close: false, goal: Goal::Best(0.95) },
    Case {
        letter: 'C',
        name: "a connection each, 1 KiB",
        path: "/small",
        connections: 64,
        close: true,
        goal: Goal::Best(1.0),
    },
    Case { letter: 'F', name: "10 MiB", path: "/10m", connections: 8, close: false, goal: Goal::Best(0.65) },
    Case {
        letter: 'L',
        name: "4,000 connections, 1 KiB",
        path: "/small",
        connections: 4000,
        close: false,
        goal: Goal::Nginx(0.70),
    },
];

impl Case {
    /// The case with this letter.
    pub(crate) fn named(letter: char) -> Option<&'static Self> {
        CASES.iter().find(|case| case.letter == letter.to_ascii_uppercase())
    }
}

//! The cores this process may use, and how they lie: which share a core's execution units, which
//! a memory node.
//!
//! Schedulers and containers restrict the cores, so numbers are never counted from 0. What the
//! kernel does not tell is taken as "alone": a machine without siblings and with one node.

use std::fs;
use std::path::Path;

use crate::sys::affinity::allowed_cores;

/// A core as the kernel counts them: one hardware thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Core {
    /// Its number, as affinity masks have it.
    pub number: usize,
    /// Lowest number among the hardware threads that share its execution units.
    pub unit: usize,
    /// Its memory node.
    pub node: usize,
}

/// The cores of this process, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    cores: Vec<Core>,
}

impl Topology {
    /// Looks at this machine, within the affinity mask of the calling thread.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::read(Path::new("/sys/devices/system/cpu"), &allowed_cores())
    }

    /// Reads the kernel's description below `root` for the cores in `allowed`.
    fn read(root: &Path, allowed: &[usize]) -> Self {
        let core = |&number: &usize| {
            let folder = root.join(format!("cpu{number}"));
            let unit = first_sibling(&folder).unwrap_or(number);
            Core { number, unit, node: node(&folder).unwrap_or(0) }
        };
        Self { cores: allowed.iter().map(core).collect() }
    }

    /// Every core.
    #[must_use]
    pub fn cores(&self) -> &[Core] {
        &self.cores
    }

    /// The order in which workers should occupy the cores: one of each set of siblings first,
    /// nodes by turns, so that few workers share as little as possible.
    #[must_use]
    pub fn placement(&self) -> Vec<usize> {
        let mut keyed: Vec<_> = self
            .cores
            .iter()
            .map(|core| {
                let before = || self.cores.iter().take_while(|other| other.number < core.number);
                let siblings = before().filter(|other| other.unit == core.unit).count();
                let rank = before().filter(|other| other.node == core.node).count();
                (siblings, rank, core.node, core.number)
            })
            .collect();
        keyed.sort_unstable();
        keyed.into_iter().map(|(_, _, _, number)| number).collect()
    }

    /// How many sets of execution units the cores are.
    #[must_use]
    pub fn units(&self) -> usize {
        distinct(self.cores.iter().map(|core| core.unit))
    }

    /// How many memory nodes the cores lie in.
    #[must_use]
    pub fn nodes(&self) -> usize {
        distinct(self.cores.iter().map(|core| core.node))
    }
}

fn distinct(numbers: impl Iterator<Item = usize>) -> usize {
    numbers.collect::<std::collections::BTreeSet<_>>().len()
}

/// The first number of a list like `0,4` or `0-1`.
fn first_sibling(folder: &Path) -> Option<usize> {
    let list = fs::read_to_string(folder.join("topology/thread_siblings_list")).ok()?;
    list.trim().split([',', '-']).next()?.parse().ok()
}

/// The kernel links a core to its node by an entry `nodeN` in its folder.
fn node(folder: &Path) -> Option<usize> {
    let names =
        fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.strip_prefix("node")?.parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A description of cores as `(siblings, node)`.
    fn machine(cores: &[(&str, usize)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (number, (siblings, node)) in cores.iter().enumerate() {
            let folder = root.path().join(format!("cpu{number}"));
            fs::create_dir_all(folder.join("topology")).unwrap();
            fs::create_dir(folder.join(format!("node{node}"))).unwrap();
            fs::write(folder.join("topology/thread_siblings_list"), format!("{siblings}\n"))
                .unwrap();
        }
        root
    }

    #[test]
    fn siblings_come_last_and_nodes_by_turns() {
        let root = machine(&[
            ("0,4", 0),
            ("1,5", 0),
            ("2,6", 1),
            ("3,7", 1),
            ("0,4", 0),
            ("1,5", 0),
            ("2,6", 1),
            ("3,7", 1),
        ]);
        let all = Topology::read(root.path(), &[0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(all.placement(), [0, 2, 1, 3, 4, 6, 5, 7]);
        assert_eq!((all.units(), all.nodes()), (4, 2));
    }

    #[test]
    fn only_allowed_cores_are_placed() {
        let root = machine(&[("0-1", 0), ("0-1", 0), ("2-3", 0), ("2-3", 0)]);
        let some = Topology::read(root.path(), &[1, 2, 3]);
        assert_eq!(some.placement(), [1, 2, 3]);
        assert_eq!((some.units(), some.nodes()), (2, 1));
    }

    #[test]
    fn an_untold_core_stands_alone() {
        let root = tempfile::tempdir().unwrap();
        let blind = Topology::read(root.path(), &[3, 9]);
        assert_eq!(blind.placement(), [3, 9]);
        assert_eq!((blind.units(), blind.nodes()), (2, 1));
    }

    #[test]
    fn this_machine_has_a_core() {
        let here = Topology::of_this_process();
        let mut placed = here.placement();
        placed.sort_unstable();
        assert_eq!(placed, allowed_cores());
        assert!(!placed.is_empty());
    }
}

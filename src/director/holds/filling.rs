//! Builds the tree from holds that come in key order: fills one run after the other, and moves nothing.
//!
//! Runs and nodes are left with room for an eighth more, so that the users who come next split only few of them.

use super::leaf::{Leaf, RUN_MAX, Record};
use super::tree::{NODE_MAX, Node, Tree};

const RUN: usize = RUN_MAX - RUN_MAX / 8;
const NODE: usize = NODE_MAX - NODE_MAX / 8;

/// A tree that is being filled.
#[derive(Debug, Default)]
pub(super) struct Filling {
    tree: Tree,
    node: Node,
    run: Leaf,
}

impl Filling {
    /// Takes in the hold of a user who is above all that came before.
    pub(super) fn push(&mut self, record: Record, name: &str) {
        if self.run.len() == RUN {
            self.end_run();
        }
        self.run.push(record, name);
    }

    /// How many holds came.
    pub(super) fn len(&self) -> usize {
        self.tree.len() + self.node.len() * RUN + self.run.len()
    }

    pub(super) fn finish(mut self) -> Tree {
        if self.run.len() > 0 {
            self.end_run();
        }
        self.end_node();
        self.tree
    }

    fn end_run(&mut self) {
        self.node.push(self.run.take_fitting());
        if self.node.len() == NODE {
            self.end_node();
        }
    }

    fn end_node(&mut self) {
        self.tree.push(std::mem::take(&mut self.node));
    }
}

// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! On which nodes of the machine memory is allocated.

/// Where memory comes from: a mode of `mbind(2)`, with the numbers of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy<'nodes> {
    /// From wherever the file, or else whoever touches it first, would have it.
    Default,
    /// From the node of whoever touches it first.
    Local,
    /// From these nodes and no others.
    Bind(&'nodes [u32]),
    /// From this node if it has memory.
    Preferred(u32),
    /// From these nodes if they have memory.
    PreferredMany(&'nodes [u32]),
    /// From each of these nodes in turn.
    Interleave(&'nodes [u32]),
    /// From each of these nodes in turn, according to its weight.
    WeightedInterleave(&'nodes [u32]),
}

impl Policy<'_> {
    /// The mode, as a number of `<linux/mempolicy.h>`.
    pub(crate) fn mode(&self) -> u32 {
        match self {
            Policy::Default => 0,
            Policy::Preferred(_) => 1,
            Policy::Bind(_) => 2,
            Policy::Interleave(_) => 3,
            Policy::Local => 4,
            Policy::PreferredMany(_) => 5,
            Policy::WeightedInterleave(_) => 6,
        }
    }

    /// The nodes as bits of words, as many as the kernel takes and one more: with a bit there, for
    /// a node of a number that does not fit, the kernel refuses them.
    pub(crate) fn bitmap(&self) -> Vec<u64> {
        let nodes = match self {
            Policy::Default | Policy::Local => &[],
            Policy::Preferred(node) => std::slice::from_ref(node),
            Policy::Bind(nodes)
            | Policy::PreferredMany(nodes)
            | Policy::Interleave(nodes)
            | Policy::WeightedInterleave(nodes) => nodes,
        };
        const WORDS: usize = 4096 / size_of::<u64>();
        let word = |node: &u32| WORDS.min((node / 64) as usize);
        let mut words = vec![0; nodes.iter().map(word).max().map_or(0, |last| last + 1)];
        for node in nodes {
            words[word(node)] |= 1 << (node % 64);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_a_bit_for_each_node() {
        assert_eq!(Policy::Default.bitmap(), []);
        assert_eq!(Policy::Bind(&[]).bitmap(), []);
        assert_eq!(Policy::Preferred(0).bitmap(), [1]);
        assert_eq!(Policy::Interleave(&[1, 63, 0]).bitmap(), [(1 << 63) | 3]);
        assert_eq!(Policy::Bind(&[64, 130]).bitmap(), [0, 1, 4]);
        assert_eq!(Policy::Bind(&[u32::MAX]).bitmap().len(), 513);
    }
}

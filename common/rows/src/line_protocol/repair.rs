//! What was changed on the way because line protocol cannot hold it, counted by name.

/// One way of changing a value or a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Repair {
    NanDropped,
    NanAsString,
    NewlineToSpace,
    NewlineEscaped,
    BackslashStripped,
    BackslashSpace,
    UintAsFloat,
    EmptyTagDropped,
    AllNullRow,
}

impl Repair {
    /// Every repair, in the order of the counts.
    pub const ALL: [Repair; 9] = [
        Repair::NanDropped,
        Repair::NanAsString,
        Repair::NewlineToSpace,
        Repair::NewlineEscaped,
        Repair::BackslashStripped,
        Repair::BackslashSpace,
        Repair::UintAsFloat,
        Repair::EmptyTagDropped,
        Repair::AllNullRow,
    ];

    /// The key in the summary.
    pub fn name(self) -> &'static str {
        match self {
            Repair::NanDropped => "nan_dropped",
            Repair::NanAsString => "nan_as_string",
            Repair::NewlineToSpace => "newline_to_space",
            Repair::NewlineEscaped => "newline_escaped",
            Repair::BackslashStripped => "backslash_stripped",
            Repair::BackslashSpace => "backslash_space",
            Repair::UintAsFloat => "uint_as_float",
            Repair::EmptyTagDropped => "empty_tag_dropped",
            Repair::AllNullRow => "all_null_row",
        }
    }
}

/// A set of repairs, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RepairSet(u16);

impl RepairSet {
    pub fn add(&mut self, repair: Repair) {
        self.0 |= 1 << repair as u8;
    }

    pub fn join(&mut self, other: RepairSet) {
        self.0 |= other.0;
    }

    fn has(self, repair: Repair) -> bool {
        self.0 & (1 << repair as u8) != 0
    }
}

/// In how many rows each repair was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs([u64; Repair::ALL.len()]);

impl Repairs {
    /// Rows in which this repair was made.
    pub fn rows(&self, repair: Repair) -> u64 {
        self.0.get(repair as usize).copied().unwrap_or_default()
    }

    /// The repairs that were made at all.
    pub fn iter(&self) -> impl Iterator<Item = (Repair, u64)> {
        Repair::ALL.into_iter().zip(self.0).filter(|(_, rows)| *rows > 0)
    }

    pub(crate) fn count(&mut self, set: RepairSet) {
        if set != RepairSet::default() {
            for (repair, rows) in Repair::ALL.into_iter().zip(&mut self.0) {
                *rows += u64::from(set.has(repair));
            }
        }
    }
}

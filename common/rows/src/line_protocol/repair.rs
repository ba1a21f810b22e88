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

/// The repairs of one row: how many values of it each one changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RepairSet {
    /// Most rows need none: one look tells.
    any: bool,
    values: [u16; Repair::ALL.len()],
}

impl RepairSet {
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    pub fn add(&mut self, repair: Repair) {
        self.any = true;
        if let Some(count) = self.values.get_mut(repair as usize) {
            *count = count.saturating_add(1);
        }
    }

    pub fn join(&mut self, other: RepairSet) {
        if other.any {
            self.any = true;
            for (count, more) in self.values.iter_mut().zip(other.values) {
                *count = count.saturating_add(more);
            }
        }
    }
}

/// How many values (for [`Repair::AllNullRow`]: rows) each repair changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs([u64; Repair::ALL.len()]);

impl Repairs {
    /// Values that this repair changed.
    pub fn values(&self, repair: Repair) -> u64 {
        self.0.get(repair as usize).copied().unwrap_or_default()
    }

    /// The repairs that were made at all.
    pub fn iter(&self) -> impl Iterator<Item = (Repair, u64)> {
        Repair::ALL.into_iter().zip(self.0).filter(|(_, values)| *values > 0)
    }

    /// What was changed since there were `before`.
    pub(crate) fn since(&self, before: &Repairs) -> Repairs {
        let mut more = *self;
        for (now, then) in more.0.iter_mut().zip(before.0) {
            *now = now.saturating_sub(then);
        }
        more
    }

    pub(crate) fn add(&mut self, more: &Repairs) {
        for (total, values) in self.0.iter_mut().zip(more.0) {
            *total += values;
        }
    }

    pub(crate) fn count(&mut self, row: RepairSet) {
        if row.any {
            for (total, values) in self.0.iter_mut().zip(row.values) {
                *total += u64::from(values);
            }
        }
    }
}

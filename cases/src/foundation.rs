//! Foundations: what cases may rely on besides the clause that they judge. Each is judged first, by its own cases. If one is
//! violated, the cases that rely on it are not run, because they would only report the same defect again.

/// A behaviour that other cases rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Foundation {
    /// An alias can be derived.
    Deriving,
    /// An alias can be closed, and the kernel works correctly afterwards.
    Closing,
    /// The kernel's list of buffers can be read, and a buffer can be released, which takes it off the list.
    Listing,
    /// The kernel can map a buffer, and importing through an alias leaves every reference count as it was.
    Importing,
    /// Fences can be made and closed, and polling an alias with a pending one leaves every reference count as it was.
    Polling,
}

impl Foundation {
    /// All of them, in the order in which they are judged.
    pub const ALL: &'static [Foundation] =
        &[Foundation::Deriving, Foundation::Closing, Foundation::Listing, Foundation::Importing, Foundation::Polling];

    /// Name in plans and on the command line of a guest.
    pub fn name(self) -> &'static str {
        match self {
            Foundation::Deriving => "deriving",
            Foundation::Closing => "closing",
            Foundation::Listing => "listing",
            Foundation::Importing => "importing",
            Foundation::Polling => "polling",
        }
    }

    /// The foundation with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Foundation::ALL.iter().copied().find(|foundation| foundation.name() == name)
    }

    /// Ids of the cases that judge it.
    pub fn cases(self) -> &'static [&'static str] {
        match self {
            Foundation::Deriving => &["uapi/derive_and_close"],
            Foundation::Closing => &["lifetime/closing_orders"],
            Foundation::Listing => &["lifetime/leaves_list_once"],
            Foundation::Importing => &["exporters/kernel_mapping", "lifetime/importer_steps"],
            Foundation::Polling => &["sync_file/made_and_closed", "fences/pending_poll"],
        }
    }

    /// The foundation that a case judges.
    pub fn judged_by(id: &str) -> Option<Self> {
        Foundation::ALL.iter().copied().find(|foundation| foundation.cases().contains(&id))
    }
}

/// A variable on the kernel's command line that the kernel passes to init: the names of violated foundations, separated by
/// commas. The runner then does not use them: for example, it does not read a list that may be corrupt.
pub const AVOID: &str = "case_avoid";
/// The end of the detail of a check that waited for a release in vain. The buffer is lost, but the kernel can still be used.
pub const NEVER_RELEASED: &str = "release called never, expected once";
/// The same of a check that looked for a timeline after its last fence was closed.
pub const STILL_LISTED: &str = "sync/info still lists it";
/// Another value of that variable: cases are known to leave resources behind, so the runner does not compare resource counts.
pub const LEAKS: &str = "leaks";

/// The values of [`AVOID`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Avoided(Vec<String>);

impl Avoided {
    /// The values in the environment of this process.
    pub fn by_environment() -> Self {
        Avoided::of(&std::env::var(AVOID).unwrap_or_default())
    }

    fn of(words: &str) -> Self {
        Avoided(words.split(',').filter(|word| !word.is_empty()).map(str::to_string).collect())
    }

    /// Whether the kernel's counts and its list are reliable. If only importing or polling is violated, cases that do it are not run.
    pub fn leaves_counts(&self) -> bool {
        let spoils = [Foundation::Deriving, Foundation::Closing, Foundation::Listing];
        !spoils.iter().any(|foundation| self.names(foundation.name()))
    }

    /// Whether a value is among them.
    pub fn names(&self, word: &str) -> bool {
        self.0.iter().any(|avoided| avoided == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_separated_by_commas() {
        let avoided = Avoided::of("listing,leaks");
        assert!(avoided.names(LEAKS) && avoided.names("listing"));
        assert!(!avoided.leaves_counts() && Avoided::of(LEAKS).leaves_counts());
        assert!(Avoided::of("importing,polling").leaves_counts());
        assert!(!avoided.names("importing") && !Avoided::of("").names(""));
    }
}

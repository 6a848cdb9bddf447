//! What cases may rely on besides the clause that they judge. Each foundation is judged first, by cases of its own. Where one
//! is violated, the cases that rely on it are not run: they could only repeat it, or fail for a reason that is not theirs.

/// A behaviour that other cases rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Foundation {
    /// An alias can be derived and closed, and the kernel is sound afterwards.
    Deriving,
    /// The kernel's list of buffers can be read.
    Listing,
    /// Importing through an alias leaves every reference count as it was.
    Importing,
    /// Polling an alias with a pending fence leaves every reference count as it was.
    Polling,
}

impl Foundation {
    /// All of them, in the order in which they are judged.
    pub const ALL: &'static [Foundation] =
        &[Foundation::Deriving, Foundation::Listing, Foundation::Importing, Foundation::Polling];

    /// Name in plans and on the command line of a guest.
    pub fn name(self) -> &'static str {
        match self {
            Foundation::Deriving => "deriving",
            Foundation::Listing => "listing",
            Foundation::Importing => "importing",
            Foundation::Polling => "polling",
        }
    }

    /// The foundation of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Foundation::ALL.iter().copied().find(|foundation| foundation.name() == name)
    }

    /// Id of the case that judges it.
    pub fn case(self) -> &'static str {
        match self {
            Foundation::Deriving => "uapi/derive_and_close",
            Foundation::Listing => "lifetime/leaves_list_once",
            Foundation::Importing => "lifetime/importer_steps",
            Foundation::Polling => "fences/pending_poll",
        }
    }

    /// The foundation that a case judges.
    pub fn judged_by(id: &str) -> Option<Self> {
        Foundation::ALL.iter().copied().find(|foundation| foundation.case() == id)
    }
}

/// A variable on the kernel's command line, of which init gets it: names of foundations, with commas between them, that are
/// known to be violated. The runner then leaves them alone: it reads no list that cannot be trusted.
pub const AVOID: &str = "case_avoid";
/// A word among them: resources that are left behind are known to be, and not compared.
pub const LEAKS: &str = "leaks";

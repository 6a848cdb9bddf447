//! Divides a plan into shares that guests run at the same time. Pure.

use std::collections::BTreeMap;

use cases::features::FORCED;
use cases::need::Need;
use cases::protocol::CaseKey;
use cases::suite;

use crate::host::machine::Machine;
use crate::judge::foundations::judges_one;

/// How long cases took in an earlier run, in milliseconds of guest time.
pub type CaseTimes = BTreeMap<CaseKey, u64>;

/// What a case takes of which nothing is known, in milliseconds: the median of a run.
const USUAL: u64 = 60;
/// What booting another guest costs, in milliseconds. A guest that has less to do is not worth it.
const BOOT: u64 = 3000;

/// The memory that a guest takes on the host, in bytes: its own 256 MiB, and QEMU.
const GUEST: u64 = 300 << 20;

/// Cases that run one after the other, in guests of the same kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestShare {
    /// The cases, in planned order.
    pub plan: Vec<CaseKey>,
    /// Number of processors of the guests.
    pub processors: usize,
    /// Whether their devices use memory through bounce buffers.
    pub bounces: bool,
}

impl GuestShare {
    /// A plan that is not divided.
    pub fn new(plan: Vec<CaseKey>) -> Self {
        let processors = if plan.iter().any(needs_two) { 2 } else { 1 };
        let bounces = plan.iter().any(needs_bounces);
        GuestShare { plan, processors, bounces }
    }

    /// The kernel option that the guests need.
    pub fn option(&self) -> Option<String> {
        self.bounces.then(|| FORCED.to_string())
    }
}

fn needs_two(key: &CaseKey) -> bool {
    has(key, Need::TwoProcessors)
}

fn needs_bounces(key: &CaseKey) -> bool {
    has(key, Need::BounceBuffers)
}

fn has(key: &CaseKey, need: Need) -> bool {
    suite::find(key).is_some_and(|(case, on)| case.needs_on(on).contains(&need))
}

/// How many guests run at the same time if nothing else is asked for: one for each processor of this machine, as far as its memory
/// goes.
pub fn usual_jobs() -> usize {
    jobs_of(std::thread::available_parallelism().map_or(1, usize::from), Machine::this().memory())
}

fn jobs_of(processors: usize, memory: Option<(u64, u64)>) -> usize {
    let fit = memory.map_or(processors, |(_, available)| usize::try_from(available / GUEST).unwrap_or(usize::MAX));
    processors.min(fit).max(1)
}

/// Divides a plan for at most `jobs` guests at the same time. One row of shares for each: they run one after the other,
/// and all rows take about equally long. A case runs in a guest with as many processors as it needs, whatever `jobs` is: those
/// that need two are the last row's. Those that judge foundations, and those that need bounce buffers, are the first row's.
pub fn divide(plan: &[CaseKey], times: &CaseTimes, jobs: usize) -> Vec<Vec<GuestShare>> {
    let time = |key: &CaseKey| times.get(key).copied().unwrap_or(USUAL);
    let total = |keys: &[CaseKey]| keys.iter().map(time).sum::<u64>();
    let count = jobs.min(usize::try_from(total(plan) / BOOT).unwrap_or(usize::MAX)).max(1);
    let place: BTreeMap<&CaseKey, usize> = plan.iter().zip(0..).collect();
    let (two, one): (Vec<CaseKey>, Vec<CaseKey>) = plan.iter().cloned().partition(needs_two);
    let (bounced, one): (Vec<CaseKey>, Vec<CaseKey>) = one.into_iter().partition(needs_bounces);
    let (foundations, mut one): (Vec<CaseKey>, Vec<CaseKey>) = one.into_iter().partition(judges_one);
    let mut loads = vec![0; count];
    loads[0] += total(&foundations);
    if !two.is_empty() {
        loads[count - 1] += total(&two) + BOOT;
    }
    if !bounced.is_empty() {
        loads[0] += total(&bounced) + BOOT;
    }
    let mut shares = vec![Vec::new(); count];
    shares[0] = foundations;
    // The longest first, each into the row that has least to do.
    one.sort_by_key(|key| std::cmp::Reverse(time(key)));
    for key in one {
        let row = (0..count).min_by_key(|row| loads[*row]).unwrap_or_default();
        loads[row] += time(&key);
        shares[row].push(key);
    }
    let mut rows: Vec<Vec<GuestShare>> = shares.into_iter().map(|plan| vec![GuestShare::new(plan)]).collect();
    rows[0].push(GuestShare::new(bounced));
    rows[count - 1].push(GuestShare::new(two));
    for row in &mut rows {
        row.iter_mut().for_each(|share| share.plan.sort_by_key(|key| place[key]));
        row.retain(|share| !share.plan.is_empty());
        // A plan may begin with the cases that are likely to find something.
        row.sort_by_key(|share| place[&share.plan[0]]);
    }
    rows.retain(|row| !row.is_empty());
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<CaseKey> {
        suite::keys().collect()
    }

    fn is_usual(key: &CaseKey) -> bool {
        !needs_two(key) && !needs_bounces(key)
    }

    #[test]
    fn every_case_is_in_exactly_one_share_with_the_processors_that_it_needs() {
        for jobs in 1..=6 {
            let rows = divide(&keys(), &CaseTimes::new(), jobs);
            assert_eq!(rows.len(), jobs);
            let mut all: Vec<CaseKey> = rows.iter().flatten().flat_map(|share| share.plan.clone()).collect();
            let mut planned = keys();
            all.sort();
            planned.sort();
            assert_eq!(all, planned);
            for share in rows.iter().flatten() {
                let needed = share.plan.iter().filter(|key| needs_two(key)).count();
                assert_eq!(needed, if share.processors == 2 { share.plan.len() } else { 0 });
                let needed = share.plan.iter().filter(|key| needs_bounces(key)).count();
                assert_eq!(needed, if share.bounces { share.plan.len() } else { 0 });
            }
            let judges = |share: &GuestShare| share.plan.iter().any(judges_one);
            assert!(rows.iter().skip(1).flatten().all(|share| !judges(share)));
        }
    }

    #[test]
    fn rows_take_equally_long_by_what_is_known() {
        let plan: Vec<CaseKey> = keys().into_iter().filter(is_usual).collect();
        let times: CaseTimes = plan.iter().cloned().zip((1..).map(|number| number * 7 % 500)).collect();
        let rows = divide(&plan, &times, 4);
        let loads: Vec<u64> = rows.iter().map(|row| row[0].plan.iter().map(|key| times[key]).sum()).collect();
        let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
        assert!(most - least < 500, "{loads:?}");
        let order: Vec<usize> =
            plan.iter().filter_map(|key| rows[1][0].plan.iter().position(|own| own == key)).collect();
        assert!(order.is_sorted());
    }

    #[test]
    fn there_are_as_many_guests_as_processors_unless_memory_is_short() {
        let gigabytes = |count: u64| Some((8 << 30, count << 30));
        assert_eq!(jobs_of(4, gigabytes(4)), 4);
        assert_eq!(jobs_of(4, gigabytes(1)), 3);
        assert_eq!(jobs_of(4, Some((8 << 30, 0))), 1);
        assert_eq!(jobs_of(4, None), 4);
    }

    #[test]
    fn a_short_plan_is_not_divided() {
        let plan: Vec<CaseKey> = keys().into_iter().filter(is_usual).take(20).collect();
        assert_eq!(divide(&plan, &CaseTimes::new(), 8), [[GuestShare::new(plan)]]);
        let mut races = keys();
        races.retain(needs_two);
        assert!(!races.is_empty());
        assert_eq!(divide(&races, &CaseTimes::new(), 1), [[GuestShare::new(races.clone())]]);
    }

    #[test]
    fn what_a_plan_begins_with_runs_first() {
        let without = keys().into_iter().filter(|key| !needs_bounces(key));
        let (races, others): (Vec<CaseKey>, Vec<CaseKey>) = without.partition(needs_two);
        for (first, then) in [(&races, &others), (&others, &races)] {
            let plan: Vec<CaseKey> = first.iter().chain(then).cloned().collect();
            let rows = divide(&plan, &CaseTimes::new(), 1);
            assert_eq!(rows[0].iter().map(|share| &share.plan).collect::<Vec<_>>(), [first, then]);
        }
    }
}

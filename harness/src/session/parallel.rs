//! Runs rows of guests at the same time, each in a thread, and reports what they say case by case.

use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use cases::protocol::Record;

use crate::error::Result;

/// Runs each row in a thread of its own; a single one in this thread. `on_record` is called in this thread. With
/// several rows it gets the records of a case together, when the case is over, so that no two cases are mixed. Records of
/// other rows than the first are held back until it is `settled` that they do not run in vain.
///
/// # Errors
/// The first error of a row.
pub(super) fn run_rows<T: Sync>(
    rows: &[T],
    run: impl Fn(&T, &mut dyn FnMut(&Record)) -> Result<()> + Sync,
    settled: impl Fn() -> bool,
    on_record: &mut dyn FnMut(&Record),
) -> Result<()> {
    if let [row] = rows {
        return run(row, on_record);
    }
    let (sender, bundles) = mpsc::channel::<(usize, Vec<Record>)>();
    thread::scope(|scope| {
        let workers: Vec<_> = rows
            .iter()
            .enumerate()
            .map(|(number, row)| {
                let (sender, run) = (sender.clone(), &run);
                scope.spawn(move || {
                    let mut bundle = Vec::new();
                    let result = run(row, &mut |record| {
                        if matches!(record, Record::Begin { .. } | Record::Hello { .. }) {
                            let _ = sender.send((number, std::mem::take(&mut bundle)));
                        }
                        bundle.push(record.clone());
                    });
                    let _ = sender.send((number, bundle));
                    result
                })
            })
            .collect();
        drop(sender);
        let mut held = Vec::new();
        for (number, bundle) in bundles {
            if number == 0 {
                bundle.iter().for_each(&mut *on_record);
            } else {
                held.extend(bundle);
            }
            if settled() {
                held.drain(..).for_each(|record| on_record(&record));
            }
        }
        let results: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        results.into_iter().try_for_each(|result| result.unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

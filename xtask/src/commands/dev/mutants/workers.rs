//! Runs several jobs at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use harness::error::{Error, ErrorKind, Result};
use harness::host::process::check_interrupt;

/// Does all jobs, `workers` at a time and in this order, and returns what they gave in the order in which they ended. After an
/// error a worker starts no other job.
///
/// # Errors
/// The first error of a job; [`ErrorKind::Internal`] when a worker panicked; an interruption.
pub fn in_parallel<J: Send, R: Send>(
    mut jobs: Vec<J>,
    workers: usize,
    run: impl Fn(J) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    // Workers take from the end.
    jobs.reverse();
    let (jobs, found) = (Mutex::new(jobs), Mutex::new(Vec::new()));
    let worker = || -> Result<()> {
        while let Some(job) = { lock(&jobs).pop() } {
            check_interrupt()?;
            let new = run(job)?;
            lock(&found).push(new);
        }
        Ok(())
    };
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let panicked = |_| Err(Error::new(ErrorKind::Internal, "a worker panicked"));
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(panicked)).collect()
    });
    results.into_iter().collect::<Result<()>>()?;
    Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The content, even if a thread panicked while it held the lock.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_once_and_an_error_ends_it() {
        let mut doubled = in_parallel((0..100).collect(), 3, |number: usize| Ok(number * 2)).unwrap();
        doubled.sort_unstable();
        assert_eq!(doubled, (0..200).step_by(2).collect::<Vec<_>>());
        let begun = Mutex::new(Vec::new());
        let failed = in_parallel((0..100).collect(), 1, |number: usize| {
            lock(&begun).push(number);
            if number == 3 { Err(Error::new(ErrorKind::Host, "no")) } else { Ok(()) }
        });
        assert_eq!(failed.unwrap_err().kind, ErrorKind::Host);
        assert_eq!(*lock(&begun), [0, 1, 2, 3]);
    }
}

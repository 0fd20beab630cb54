//! Threads that work beside the calling one, and that a forked process can go on using.

#![forbid(unsafe_code)]

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Starts its threads when they are first needed, and anew in a forked process: a fork copies the
/// pool's memory, but of the threads only the one that forked.
pub struct Threads {
    /// The calling one included.
    count: usize,
    /// The process that the threads run in, and the pool.
    pool: Option<(u32, ThreadPool)>,
}

impl Threads {
    pub fn new(count: usize) -> Self {
        Threads { count, pool: None }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// The pool of the others, or None where the calling thread is enough. Errors: no threads to be
    /// had.
    pub fn pool(&mut self) -> Result<Option<&ThreadPool>, String> {
        if self.count <= 1 {
            return Ok(None);
        }
        self.forget_if_forked();
        if self.pool.is_none() {
            let others = self.count - 1;
            let pool = ThreadPoolBuilder::new().num_threads(others).build();
            let pool = pool.map_err(|error| format!("cannot start {others} threads: {error}"))?;
            self.pool = Some((std::process::id(), pool));
        }
        Ok(self.pool.as_ref().map(|(_, pool)| pool))
    }

    /// A pool without its threads cannot even be dropped safely: a lock of its may be held for ever.
    fn forget_if_forked(&mut self) {
        let here = std::process::id();
        if self
            .pool
            .as_ref()
            .is_some_and(|(process, _)| *process != here)
        {
            std::mem::forget(self.pool.take());
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.forget_if_forked();
    }
}

//! Threads that work beside the calling one, and that a forked process can go on using.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::sync::Arc;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// How often the calling thread asks whether it has been interrupted.
const POLL: Duration = Duration::from_millis(50);

/// How long a thread without work looks for some before it sleeps: waking it takes tens of
/// microseconds, and a step of many machines only some hundreds.
const LINGER: Duration = Duration::from_micros(100);

/// Starts its threads when they are first needed, and anew in a forked process: a fork copies the
/// pool's memory, but of the threads only the one that forked.
pub struct Threads {
    /// The calling one included.
    count: usize,
    /// The process that the other threads run in, and their pool.
    pool: Option<(u32, ThreadPool)>,
    /// Work for them that none has begun.
    waiting: Arc<AtomicUsize>,
}

impl Threads {
    pub fn new(count: usize) -> Self {
        Threads {
            count,
            pool: None,
            waiting: Arc::default(),
        }
    }

    /// Calls `work` once for each thread, side by side, and in the calling one too, with a question
    /// whether to go on. Every [`POLL`] the calling thread asks `interrupted`; after its first yes,
    /// the last time it is asked, all are told to stop. Returns whether they were not. Errors: no
    /// threads to be had.
    pub fn run(
        &mut self,
        mut interrupted: impl FnMut() -> bool,
        work: impl Fn(&mut dyn FnMut() -> bool) + Sync,
    ) -> Result<bool, String> {
        let stopped = AtomicBool::new(false);
        let mut asked = Instant::now();
        let mut ask = || {
            if !stopped.load(Ordering::Relaxed) && asked.elapsed() >= POLL {
                asked = Instant::now();
                if interrupted() {
                    stopped.store(true, Ordering::Relaxed);
                }
            }
            !stopped.load(Ordering::Relaxed)
        };
        self.start()?;
        match &self.pool {
            None => work(&mut ask),
            Some((_, pool)) => pool.in_place_scope(|scope| {
                let (running, finished) = mpsc::channel::<()>();
                self.waiting.fetch_add(self.count - 1, Ordering::Relaxed);
                for _ in 1..self.count {
                    let (running, waiting) = (running.clone(), self.waiting.clone());
                    let (work, stopped) = (&work, &stopped);
                    scope.spawn(move |_| {
                        waiting.fetch_sub(1, Ordering::Relaxed);
                        work(&mut || !stopped.load(Ordering::Relaxed));
                        rayon::spawn(move || linger(|| waiting.load(Ordering::Relaxed) > 0));
                        drop(running); // last, as the caller does not linger for what follows
                    });
                }
                drop(running);
                work(&mut ask);
                linger(|| finished.try_recv() == Err(TryRecvError::Disconnected));
                while finished.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
                    ask();
                }
            }),
        }
        Ok(!stopped.into_inner())
    }

    /// Starts the threads that are missing.
    fn start(&mut self) -> Result<(), String> {
        self.forget_if_forked();
        let others = self.count - 1;
        if others > 0 && self.pool.is_none() {
            let pool = ThreadPoolBuilder::new().num_threads(others).build();
            let pool = pool.map_err(|error| format!("cannot start {others} threads: {error}"))?;
            self.pool = Some((std::process::id(), pool));
        }
        Ok(())
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

/// Waits until something is so, for [`LINGER`] at most.
fn linger(so: impl Fn() -> bool) {
    let start = Instant::now();
    while !so() && start.elapsed() < LINGER {
        yield_now();
    }
}

//! Many Game Boys with one ROM, stepped in parallel.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::cartridge::Rom;
use crate::gameboy::{GameBoy, RGB_BYTES};
use crate::state::StateError;

/// A machine and the copy that its steps may be repeated from.
struct Env {
    gameboy: GameBoy,
    scratch: GameBoy,
}

pub struct VecEnv {
    envs: Vec<Env>,
    /// The machine just after power-on.
    fresh: GameBoy,
    states: HashMap<u64, GameBoy>,
    next_state_id: u64,
    pub frame_skip: u64,
    pub hold_frames: u64,
    /// None runs everything on the caller's thread.
    pool: Option<ThreadPool>,
}

impl VecEnv {
    /// `num_threads` 0 takes one thread per core. Errors: a bad ROM header, no threads to be had.
    pub fn new(
        rom: &[u8],
        num_envs: usize,
        frame_skip: u64,
        hold_frames: u64,
        num_threads: usize,
    ) -> Result<Self, String> {
        let fresh = GameBoy::new(Arc::new(Rom::new(rom)?));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if num_threads == 0 { cores } else { num_threads }.min(num_envs);
        let pool = match threads {
            0 | 1 => None,
            _ => Some(
                ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .map_err(|error| format!("cannot start {threads} threads: {error}"))?,
            ),
        };
        let env = || Env {
            gameboy: fresh.clone(),
            scratch: fresh.clone(),
        };
        Ok(VecEnv {
            envs: std::iter::repeat_with(env).take(num_envs).collect(),
            fresh,
            states: HashMap::new(),
            next_state_id: 0,
            frame_skip,
            hold_frames,
            pool,
        })
    }

    pub fn num_envs(&self) -> usize {
        self.envs.len()
    }

    /// Powers on every machine, or one.
    pub fn reset(&mut self, env: Option<usize>) {
        match env {
            Some(env) => self.envs[env].gameboy.copy_from(&self.fresh),
            None => (self.envs.iter_mut()).for_each(|env| env.gameboy.copy_from(&self.fresh)),
        }
    }

    /// Steps every machine with its button mask and draws it into its part of `obs`. `dones` tells
    /// which have locked up.
    pub fn step(&mut self, masks: &[u8], obs: &mut [u8], dones: &mut [bool]) {
        let (frame_skip, hold_frames) = (self.frame_skip, self.hold_frames);
        let step = |(((env, &mask), obs), done): (((&mut Env, &u8), &mut [u8]), &mut bool)| {
            (env.gameboy).step(mask, frame_skip, hold_frames, &mut env.scratch);
            env.gameboy.render(obs);
            *done = env.gameboy.is_locked();
        };
        let envs = &mut self.envs;
        match &self.pool {
            None => (envs.iter_mut().zip(masks))
                .zip(obs.chunks_exact_mut(RGB_BYTES))
                .zip(dones)
                .for_each(step),
            Some(pool) => pool.install(|| {
                (envs.par_iter_mut().zip(masks))
                    .zip(obs.par_chunks_exact_mut(RGB_BYTES))
                    .zip(dones)
                    .for_each(step);
            }),
        }
    }

    pub fn render(&self, obs: &mut [u8]) {
        for (env, obs) in self.envs.iter().zip(obs.chunks_exact_mut(RGB_BYTES)) {
            env.gameboy.render(obs);
        }
    }

    pub fn gameboy(&mut self, env: usize) -> &mut GameBoy {
        &mut self.envs[env].gameboy
    }

    pub fn gameboys(&mut self) -> impl Iterator<Item = &mut GameBoy> {
        self.envs.iter_mut().map(|env| &mut env.gameboy)
    }

    /// Keeps a copy of a machine; returns the id to find it by.
    pub fn save_state(&mut self, env: usize) -> u64 {
        let id = self.next_state_id;
        self.next_state_id += 1;
        self.states.insert(id, self.envs[env].gameboy.clone());
        id
    }

    /// Returns whether the state is known.
    pub fn load_state(&mut self, env: usize, id: u64) -> bool {
        match self.states.get(&id) {
            Some(state) => {
                self.envs[env].gameboy.copy_from(state);
                true
            }
            None => false,
        }
    }

    /// Returns whether the state was known.
    pub fn drop_state(&mut self, id: u64) -> bool {
        self.states.remove(&id).is_some()
    }

    pub fn num_states(&self) -> usize {
        self.states.len()
    }

    pub fn import_state(&mut self, env: usize, bytes: &[u8]) -> Result<(), StateError> {
        self.envs[env].gameboy.import(bytes)
    }
}

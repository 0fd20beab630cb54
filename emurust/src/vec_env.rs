//! Many Game Boys with one ROM, stepped in parallel.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::cartridge::Rom;
use crate::gameboy::{GameBoy, GRAY_BYTES, RGB_BYTES};
use crate::state::StateError;
use crate::store;
use crate::threads::Threads;

/// A machine, and what it was before its last step.
struct Env {
    gameboy: GameBoy,
    before: GameBoy,
}

pub struct VecEnv {
    envs: Vec<Env>,
    /// The machine just after power-on.
    fresh: GameBoy,
    states: HashMap<i64, Box<GameBoy>>,
    next_state_id: i64,
    picture_bytes: usize,
    threads: Threads,
}

impl VecEnv {
    /// `num_threads` 0 takes one thread per core. Errors: a bad ROM header.
    pub fn new(
        rom: &[u8],
        num_envs: usize,
        grayscale: bool,
        num_threads: usize,
    ) -> Result<Self, String> {
        let fresh = GameBoy::new(Arc::new(Rom::new(rom)?));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if num_threads == 0 { cores } else { num_threads };
        let env = || Env {
            gameboy: fresh.clone(),
            before: fresh.clone(),
        };
        Ok(VecEnv {
            envs: std::iter::repeat_with(env).take(num_envs).collect(),
            fresh,
            states: HashMap::new(),
            next_state_id: 0,
            picture_bytes: if grayscale { GRAY_BYTES } else { RGB_BYTES },
            threads: Threads::new(threads.min(num_envs).max(1)),
        })
    }

    /// Powers on every machine, now and at each reset, with a battery save in its cartridge.
    ///
    /// Errors: no battery, or another size.
    pub fn insert_battery(&mut self, save: &[u8]) -> Result<(), String> {
        self.fresh.insert_battery(save)?;
        for env in &mut self.envs {
            env.gameboy.copy_from(&self.fresh);
        }
        Ok(())
    }

    /// Powers on some machines.
    pub fn reset(&mut self, envs: &[usize]) {
        for &env in envs {
            self.envs[env].gameboy.copy_from(&self.fresh);
        }
    }

    /// Steps every machine with its button mask and draws it into its part of `obs`. `dones` tells
    /// which have locked up.
    ///
    /// Returns whether the step is complete: after an interruption all machines are as before it.
    /// Errors: no threads to be had.
    pub fn step(
        &mut self,
        masks: &[u8],
        (frame_skip, hold_frames): (u64, u64),
        obs: &mut [u8],
        dones: &mut [bool],
        interrupted: impl FnMut() -> bool,
    ) -> Result<bool, String> {
        let pictures = obs.chunks_exact_mut(self.picture_bytes);
        let machines = self.envs.iter_mut().zip(masks);
        // Each thread takes the next machine when it is done with one.
        let queue = Mutex::new(machines.zip(pictures.zip(dones)));
        let next = || queue.lock().ok()?.next();
        let complete = self.threads.run(interrupted, |go_on| {
            while let Some(((Env { gameboy, before }, &mask), (picture, done))) = next() {
                if gameboy.step_while(&mut *go_on, mask, frame_skip, hold_frames, before) {
                    gameboy.render(picture);
                    *done = gameboy.is_locked();
                }
            }
        })?;
        if !complete {
            for env in &mut self.envs {
                env.gameboy.copy_from(&env.before);
            }
            self.render(obs, 0..self.envs.len());
        }
        Ok(complete)
    }

    /// Draws some machines into their parts of `obs`.
    pub fn render(&self, obs: &mut [u8], envs: impl IntoIterator<Item = usize>) {
        for env in envs {
            let picture = &mut obs[env * self.picture_bytes..][..self.picture_bytes];
            self.envs[env].gameboy.render(picture);
        }
    }

    pub fn gameboy(&mut self, env: usize) -> &mut GameBoy {
        &mut self.envs[env].gameboy
    }

    /// Keeps a copy of a machine; returns the id to find it by.
    pub fn save_state(&mut self, env: usize) -> i64 {
        let state = Box::new(self.envs[env].gameboy.clone());
        self.keep(state)
    }

    fn keep(&mut self, state: Box<GameBoy>) -> i64 {
        let id = self.next_state_id;
        self.next_state_id += 1;
        self.states.insert(id, state);
        id
    }

    /// The first of `ids` that no kept state has.
    pub fn unknown_state(&self, ids: &[i64]) -> Option<i64> {
        (ids.iter().copied()).find(|id| !self.states.contains_key(id))
    }

    /// Puts machines into kept states, the last one given if a machine is named more than once.
    pub fn load_states(&mut self, envs: &[usize], ids: &[i64]) {
        for (&env, id) in envs.iter().zip(ids) {
            self.envs[env].gameboy.copy_from(&self.states[id]);
        }
    }

    pub fn drop_states(&mut self, ids: &[i64]) {
        for id in ids {
            self.states.remove(id);
        }
    }

    pub fn num_states(&self) -> usize {
        self.states.len()
    }

    /// The ids of all kept states, oldest first.
    pub fn state_ids(&self) -> Vec<i64> {
        let mut ids: Vec<_> = self.states.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Writes kept states to a file, in the order of `ids`.
    pub fn write_states(&mut self, path: &Path, ids: &[i64]) -> io::Result<()> {
        let states = &mut self.states;
        let exported = (ids.iter()).filter_map(|id| Some(states.get_mut(id)?.export()));
        store::write(path, ids.len(), exported)
    }

    /// Keeps the states of a file; returns their ids in the file's order. Errors: nothing is kept.
    pub fn read_states(&mut self, path: &Path) -> io::Result<Vec<i64>> {
        let states = store::read(path, |bytes| {
            let mut state = Box::new(self.fresh.clone());
            state.import(bytes).map(|()| state)
        })?;
        Ok(states.into_iter().map(|state| self.keep(state)).collect())
    }

    pub fn import_state(&mut self, env: usize, bytes: &[u8]) -> Result<(), StateError> {
        self.envs[env].gameboy.import(bytes)
    }
}

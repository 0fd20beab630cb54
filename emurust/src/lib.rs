//! A vectorised Game Boy for reinforcement learning, as a Python module.

pub mod apu;
pub mod cartridge;
pub mod cpu;
mod decode;
pub mod gameboy;
mod header;
mod idle;
pub mod joypad;
pub mod mmu;
pub mod ppu;
mod run;
pub mod serial;
pub mod state;
pub mod store;
pub mod threads;
pub mod timer;
pub mod vec_env;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{SystemTime, UNIX_EPOCH};

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods,
    PyReadonlyArray1, PyReadwriteArrayDyn, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyIndexError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use cartridge::Rom;
use ppu::{HEIGHT, WIDTH};
use vec_env::VecEnv;

/// Limits that keep sizes and times far from overflow.
const MAX_ENVS: usize = 1 << 16;
const MAX_FRAMES: u64 = 1 << 20;

/// Rewards and dones.
type StepResult<'py> = (Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<bool>>);

/// A batch of Game Boys (DMG) that run the same ROM.
///
/// A step runs each machine for exactly `frame_skip` x 70,224 clock cycles, with the buttons of its
/// action mask held for the first `hold_frames` frames and released for the rest. Masks: bit 0 Right,
/// 1 Left, 2 Up, 3 Down, 4 A, 5 B, 6 Select, 7 Start. Observations are written in place into a
/// C-contiguous uint8 array of shape `obs_shape()` and show the last frame the LCD completed, in the
/// greys 255, 170, 85, 0. The same ROM and actions give the same bytes at any number of threads.
///
/// Where machines are chosen (`env` of `reset` and `render`, `envs` elsewhere), that is by integers
/// or by a bool mask of shape (num_envs,); None chooses all.
///
/// A batch serves one Python thread at a time: a call while another runs is a RuntimeError.
///
/// Args:
///     rom: the cartridge, as bytes or a one-dimensional uint8 array.
///     num_envs: number of machines, 1 to 65536.
///     frame_skip: frames per step, 1 to 1048576.
///     hold_frames: frames for which a step holds its buttons; at `frame_skip` and above, all.
///     grayscale: observations of shape (num_envs, 144, 160), without the channels of equal value.
///     num_threads: threads to step with; 0 takes one per core.
///     battery: what a .sav file holds, in the cartridge at every power-on: its RAM and, for MBC3's
///         clock, 44 or 48 bytes as BGB and VBA write them. The clock goes on from there, whatever
///         time has passed, so that runs repeat. None: RAM of 0xFF.
///
/// Raises:
///     ValueError: the ROM is too short or its mapper is not supported, a number is out of range, or
///         the battery save has another size, or no place in this cartridge.
#[pyclass(module = "emurust", frozen)]
struct VecGameBoy {
    env: Mutex<VecEnv>,
    num_envs: usize,
    grayscale: bool,
    frame_skip: AtomicU64,
    hold_frames: AtomicU64,
}

#[pymethods]
impl VecGameBoy {
    #[new]
    #[pyo3(signature = (
        rom, num_envs, frame_skip=30, *, hold_frames=8, grayscale=false, num_threads=0,
        battery=None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python,
        rom: &Bound<PyAny>,
        num_envs: i64,
        frame_skip: i64,
        hold_frames: i64,
        grayscale: bool,
        num_threads: i64,
        battery: Option<&[u8]>,
    ) -> PyResult<Self> {
        let rom = rom_bytes(rom)?;
        let num_envs = in_range("num_envs", num_envs, 1, MAX_ENVS as u64)? as usize;
        let num_threads = in_range("num_threads", num_threads, 0, 1024)? as usize;
        let frame_skip = in_range("frame_skip", frame_skip, 1, MAX_FRAMES)?.into();
        let hold_frames = in_range("hold_frames", hold_frames, 0, MAX_FRAMES)?.into();
        let env = py
            .detach(|| -> Result<VecEnv, String> {
                let mut env = VecEnv::new(&rom, num_envs, grayscale, num_threads)?;
                if let Some(save) = battery {
                    env.insert_battery(save)?;
                }
                Ok(env)
            })
            .map_err(PyValueError::new_err)?;
        Ok(VecGameBoy {
            env: Mutex::new(env),
            num_envs,
            grayscale,
            frame_skip,
            hold_frames,
        })
    }

    /// Number of machines.
    #[getter]
    fn num_envs(&self) -> usize {
        self.num_envs
    }

    /// Whether observations are grey, (num_envs, 144, 160), instead of RGB.
    #[getter]
    fn grayscale(&self) -> bool {
        self.grayscale
    }

    /// Frames per step, 1 to 1048576. A new value takes effect with the next step.
    #[getter]
    fn frame_skip(&self) -> u64 {
        self.frame_skip.load(Ordering::Relaxed)
    }

    #[setter]
    fn set_frame_skip(&self, frames: i64) -> PyResult<()> {
        let frames = in_range("frame_skip", frames, 1, MAX_FRAMES)?;
        self.frame_skip.store(frames, Ordering::Relaxed);
        Ok(())
    }

    /// Frames for which a step holds its buttons, 0 to 1048576. Takes effect with the next step.
    #[getter]
    fn hold_frames(&self) -> u64 {
        self.hold_frames.load(Ordering::Relaxed)
    }

    #[setter]
    fn set_hold_frames(&self, frames: i64) -> PyResult<()> {
        let frames = in_range("hold_frames", frames, 0, MAX_FRAMES)?;
        self.hold_frames.store(frames, Ordering::Relaxed);
        Ok(())
    }

    /// Number of states kept and not dropped.
    #[getter]
    fn num_states(&self) -> PyResult<usize> {
        Ok(self.env()?.num_states())
    }

    /// The shape of observations: (num_envs, 144, 160, 3), or (num_envs, 144, 160) if grayscale.
    fn obs_shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.shape())
    }

    /// Powers on all machines, or only the chosen ones; then draws all into `obs`.
    ///
    /// Raises:
    ///     ValueError: `obs` has another shape or dtype, or is not contiguous and writable.
    ///     IndexError: no such env.
    #[pyo3(signature = (obs, env=None))]
    fn reset(&self, py: Python, obs: &Bound<PyAny>, env: Option<&Bound<PyAny>>) -> PyResult<()> {
        let envs = self.chosen(env)?;
        let mut obs = self.observation(obs)?;
        let obs = obs.as_slice_mut()?;
        let vec_env = &mut *self.env()?;
        py.detach(|| {
            vec_env.reset(&envs);
            vec_env.render(obs, 0..self.num_envs);
        });
        Ok(())
    }

    /// Steps all machines; `actions` are uint8 button masks of shape (num_envs,).
    ///
    /// Returns `(rewards, dones)`: float32 zeros and bools, both (num_envs,). A machine is done when
    /// an illegal opcode has locked it up.
    ///
    /// Raises:
    ///     ValueError: `actions` or `obs` has another shape or dtype, or `obs` is not contiguous and
    ///         writable.
    ///     KeyboardInterrupt, or what else a signal handler raises, within about 0.1 seconds: all
    ///         machines are then as before the step, and `obs` shows them.
    fn step<'py>(
        &self,
        py: Python<'py>,
        actions: &Bound<'py, PyAny>,
        obs: &Bound<'py, PyAny>,
    ) -> PyResult<StepResult<'py>> {
        let masks = masks(actions, self.num_envs)?;
        let mut obs = self.observation(obs)?;
        let obs = obs.as_slice_mut()?;
        let mut dones = vec![false; self.num_envs];
        let frames = (self.frame_skip(), self.hold_frames());
        let env = &mut *self.env()?;
        let mut signal = Ok(());
        py.detach(|| {
            env.step(&masks, frames, obs, &mut dones, || {
                signal = Python::attach(|py| py.check_signals());
                signal.is_err()
            })
        })
        .map_err(PyRuntimeError::new_err)?;
        signal?;
        Ok((
            PyArray1::zeros(py, self.num_envs, false),
            dones.into_pyarray(py),
        ))
    }

    /// Draws all machines, or only the chosen ones, into their rows of `obs` without advancing them.
    ///
    /// Raises:
    ///     ValueError: `obs` has another shape or dtype, or is not contiguous and writable.
    ///     IndexError: no such env.
    #[pyo3(signature = (obs, env=None))]
    fn render(&self, py: Python, obs: &Bound<PyAny>, env: Option<&Bound<PyAny>>) -> PyResult<()> {
        let envs = self.chosen(env)?;
        let mut obs = self.observation(obs)?;
        let obs = obs.as_slice_mut()?;
        let vec_env = &mut *self.env()?;
        py.detach(|| vec_env.render(obs, envs));
        Ok(())
    }

    /// Keeps a copy of machine `env` and returns its id.
    ///
    /// The copy stays in memory until it is dropped. Raises IndexError: no such env.
    fn save_state(&self, env: i64) -> PyResult<i64> {
        let env = self.index(env)?;
        Ok(self.env()?.save_state(env))
    }

    /// Puts machine `env` into the state `state_id`, which may come from any machine of this batch.
    ///
    /// Raises:
    ///     IndexError: no such env.
    ///     ValueError: no such state.
    fn load_state(&self, env: i64, state_id: i64) -> PyResult<()> {
        let env = self.index(env)?;
        self.known(&[state_id])?.load_states(&[env], &[state_id]);
        Ok(())
    }

    /// Forgets the state `state_id`. Raises ValueError: no such state.
    fn drop_state(&self, state_id: i64) -> PyResult<()> {
        self.known(&[state_id])?.drop_states(&[state_id]);
        Ok(())
    }

    /// Keeps copies of the chosen machines and returns their ids, int64 of shape (chosen,).
    ///
    /// Raises:
    ///     ValueError: `envs` is neither integers nor a mask.
    ///     IndexError: no such env.
    #[pyo3(signature = (envs=None))]
    fn save_states<'py>(
        &self,
        py: Python<'py>,
        envs: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let envs = self.chosen(envs)?;
        let vec_env = &mut *self.env()?;
        let ids = py.detach(|| Vec::from_iter(envs.iter().map(|&env| vec_env.save_state(env))));
        Ok(ids.into_pyarray(py))
    }

    /// Puts the chosen machines into kept states: `ids` has one for each, or is one for all.
    ///
    /// Raises:
    ///     ValueError: no such state, or another number of ids than of machines; then no machine
    ///         has changed.
    ///     IndexError: no such env.
    fn load_states(&self, py: Python, envs: &Bound<PyAny>, ids: &Bound<PyAny>) -> PyResult<()> {
        let envs = self.chosen(Some(envs).filter(|envs| !envs.is_none()))?;
        let ids = match ids.extract::<i64>() {
            Ok(id) => vec![id; envs.len()],
            Err(_) => integers("ids", "integers", ids)?,
        };
        if ids.len() != envs.len() {
            return Err(PyValueError::new_err(format!(
                "ids: expected {}, one for each env, or one for all, got {}",
                envs.len(),
                ids.len()
            )));
        }
        let vec_env = &mut *self.known(&ids)?;
        py.detach(|| vec_env.load_states(&envs, &ids));
        Ok(())
    }

    /// Forgets kept states. Raises ValueError: no such state; then none is forgotten.
    fn drop_states(&self, ids: &Bound<PyAny>) -> PyResult<()> {
        let ids = integers("ids", "integers", ids)?;
        self.known(&ids)?.drop_states(&ids);
        Ok(())
    }

    /// Writes kept states, by default all from the oldest on, to one file for `read_states`.
    ///
    /// A file that stands at `path` is replaced once the new one is complete.
    ///
    /// Raises:
    ///     ValueError: no such state.
    ///     OSError: the file cannot be written; what stood at `path` still does.
    #[pyo3(signature = (path, ids=None))]
    fn write_states(&self, py: Python, path: PathBuf, ids: Option<&Bound<PyAny>>) -> PyResult<()> {
        let ids = match ids {
            Some(ids) => integers("ids", "integers", ids)?,
            None => self.env()?.state_ids(),
        };
        let vec_env = &mut *self.known(&ids)?;
        py.detach(|| vec_env.write_states(&path, &ids))
            .map_err(|error| file_error(error, &path))
    }

    /// Keeps the states of a file made by `write_states` with the same ROM, in any batch.
    ///
    /// Returns their ids, int64, in the order in which they were written.
    ///
    /// Raises:
    ///     ValueError: the file is damaged, of another kind or version, or of another ROM; then
    ///         nothing is kept of it.
    ///     OSError: the file cannot be read (FileNotFoundError: it is not there).
    fn read_states<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let vec_env = &mut *self.env()?;
        let ids = py
            .detach(|| vec_env.read_states(&path))
            .map_err(|error| file_error(error, &path))?;
        Ok(ids.into_pyarray(py))
    }

    /// The state of machine `env` as bytes, to keep on disk. Raises IndexError: no such env.
    fn export_state<'py>(&self, py: Python<'py>, env: i64) -> PyResult<Bound<'py, PyBytes>> {
        let env = self.index(env)?;
        Ok(PyBytes::new(py, &self.env()?.gameboy(env).export()))
    }

    /// Puts machine `env` into a state made by `export_state` with the same ROM.
    ///
    /// Raises:
    ///     IndexError: no such env.
    ///     ValueError: the bytes are damaged, of another version, or of another ROM; the machine is
    ///         then unchanged.
    fn import_state(&self, env: i64, state: &[u8]) -> PyResult<()> {
        let env = self.index(env)?;
        (self.env()?.import_state(env, state)).map_err(|error| PyValueError::new_err(error.0))
    }

    /// What the battery of machine `env` keeps, as bytes of a .sav file: the cartridge's RAM and,
    /// for MBC3's clock, 48 bytes that end with the present time.
    ///
    /// Raises:
    ///     IndexError: no such env.
    ///     ValueError: the cartridge has no battery.
    fn export_battery<'py>(&self, py: Python<'py>, env: i64) -> PyResult<Bound<'py, PyBytes>> {
        let env = self.index(env)?;
        let unix_time = SystemTime::now().duration_since(UNIX_EPOCH);
        let unix_time = unix_time.map_or(0, |elapsed| elapsed.as_secs());
        let save = self.env()?.gameboy(env).export_battery(unix_time);
        Ok(PyBytes::new(py, &save.map_err(PyValueError::new_err)?))
    }

    /// Reads `length` bytes of machine `env` from address `addr` on, as a debugger would: no time
    /// passes and nothing changes. Returns uint8 of shape (length,).
    ///
    /// Raises:
    ///     IndexError: no such env.
    ///     ValueError: the span leaves 0x0000..0xFFFF.
    fn read_memory<'py>(
        &self,
        py: Python<'py>,
        env: i64,
        addr: i64,
        length: i64,
    ) -> PyResult<Bound<'py, PyArray1<u8>>> {
        let env = self.index(env)?;
        let span = memory_span(addr, length)?;
        let vec_env = &mut *self.env()?;
        let gameboy = vec_env.gameboy(env);
        let bytes: Vec<u8> = span.map(|address| gameboy.peek(address as u16)).collect();
        Ok(bytes.into_pyarray(py))
    }

    /// Like `read_memory` for all machines, or only the chosen ones: uint8, (chosen, length).
    ///
    /// Raises:
    ///     IndexError: no such env.
    ///     ValueError: the span leaves 0x0000..0xFFFF, or `envs` is neither integers nor a mask.
    #[pyo3(signature = (addr, length, envs=None))]
    fn read_memory_batch<'py>(
        &self,
        py: Python<'py>,
        addr: i64,
        length: i64,
        envs: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let envs = self.chosen(envs)?;
        let span = memory_span(addr, length)?;
        let mut bytes = Vec::with_capacity(envs.len() * span.len());
        let vec_env = &mut *self.env()?;
        for &env in &envs {
            let gameboy = vec_env.gameboy(env);
            bytes.extend(span.clone().map(|address| gameboy.peek(address as u16)));
        }
        bytes.into_pyarray(py).reshape([envs.len(), span.len()])
    }

    /// The registers of machine `env`: af, bc, de, hl, sp, pc (ints), ime, halted, locked (bools)
    /// and clock (cycles since power-on). Raises IndexError: no such env.
    fn registers<'py>(&self, py: Python<'py>, env: i64) -> PyResult<Bound<'py, PyDict>> {
        let env = self.index(env)?;
        let vec_env = &mut *self.env()?;
        let gameboy = vec_env.gameboy(env);
        let cpu = &gameboy.cpu;
        let dict = PyDict::new(py);
        for (name, value) in [
            ("af", cpu.af()),
            ("bc", cpu.bc()),
            ("de", cpu.de()),
            ("hl", cpu.hl()),
            ("sp", cpu.sp),
            ("pc", cpu.pc),
        ] {
            dict.set_item(name, value)?;
        }
        dict.set_item("ime", cpu.ime)?;
        dict.set_item("halted", cpu.state == cpu::RunState::Halted)?;
        dict.set_item("locked", gameboy.is_locked())?;
        dict.set_item("clock", gameboy.clock())?;
        Ok(dict)
    }
}

impl VecGameBoy {
    /// The batch, unless another thread (or a step that this call interrupts) has it.
    fn env(&self) -> PyResult<MutexGuard<'_, VecEnv>> {
        match self.env.try_lock() {
            Ok(env) => Ok(env),
            Err(TryLockError::Poisoned(env)) => Ok(env.into_inner()),
            Err(TryLockError::WouldBlock) => Err(PyRuntimeError::new_err(
                "this VecGameBoy is running in another call: expected one thread at a time; \
                 give each thread a batch of its own, or share a lock",
            )),
        }
    }

    /// The batch, if it keeps all these states.
    fn known(&self, ids: &[i64]) -> PyResult<MutexGuard<'_, VecEnv>> {
        let env = self.env()?;
        match env.unknown_state(ids) {
            None => Ok(env),
            Some(id) => Err(PyValueError::new_err(format!(
                "unknown state id {id}: {} states are kept, ids come from save_state",
                env.num_states()
            ))),
        }
    }

    fn index(&self, env: i64) -> PyResult<usize> {
        match usize::try_from(env) {
            Ok(index) if index < self.num_envs => Ok(index),
            _ => Err(PyIndexError::new_err(format!(
                "expected an env from 0 to {}, got {env}",
                self.num_envs - 1
            ))),
        }
    }

    /// The machines that an integer, integers or a mask choose; None chooses all.
    fn chosen(&self, envs: Option<&Bound<PyAny>>) -> PyResult<Vec<usize>> {
        let Some(envs) = envs else {
            return Ok((0..self.num_envs).collect());
        };
        if let Ok(env) = envs.extract() {
            return Ok(vec![self.index(env)?]);
        }
        let Ok(mask) = envs.cast::<PyArray1<bool>>() else {
            return (integers("envs", "a bool mask or integers", envs)?.into_iter())
                .map(|env| self.index(env))
                .collect();
        };
        if mask.len() != self.num_envs {
            let expected = format!("a mask of shape [{}]", self.num_envs);
            return Err(array_error("envs", &expected, envs));
        }
        let mask = mask.try_readonly()?;
        Ok((0..self.num_envs)
            .zip(mask.as_array())
            .filter_map(|(env, &chosen)| chosen.then_some(env))
            .collect())
    }

    fn shape(&self) -> Vec<usize> {
        let mut shape = vec![self.num_envs, HEIGHT, WIDTH];
        if !self.grayscale {
            shape.push(3);
        }
        shape
    }

    /// Borrows the caller's observation array, or says what is wrong with it.
    fn observation<'py>(&self, obs: &Bound<'py, PyAny>) -> PyResult<PyReadwriteArrayDyn<'py, u8>> {
        let shape = self.shape();
        let expected = format!("uint8 array of shape {shape:?}");
        let array = obs
            .cast::<PyArrayDyn<u8>>()
            .map_err(|_| array_error("obs", &expected, obs))?;
        if array.shape() != shape {
            return Err(array_error("obs", &expected, obs));
        }
        if !array.is_c_contiguous() {
            return Err(array_error("obs", "C-contiguous array", obs));
        }
        array.try_readwrite().map_err(|error| {
            PyValueError::new_err(format!("obs: expected a writable array: {error}"))
        })
    }
}

/// Integers of any array-like of one dimension.
fn integers(name: &str, expected: &str, values: &Bound<PyAny>) -> PyResult<Vec<i64>> {
    let numpy = values.py().import("numpy")?;
    let array = numpy.call_method1("asarray", (values,))?;
    let untyped = array.cast::<PyUntypedArray>()?;
    let is_integer = matches!(untyped.dtype().kind(), b'i' | b'u') || untyped.is_empty();
    if !is_integer || untyped.ndim() != 1 {
        let expected = format!("{expected} of one dimension");
        return Err(array_error(name, &expected, values));
    }
    let array = array.call_method1("astype", ("int64",))?;
    let array = array.cast::<PyArray1<i64>>()?.try_readonly()?;
    Ok(array.as_array().to_vec())
}

/// The system's errors as OSError with the file's name; a file's own faults as ValueError.
fn file_error(error: io::Error, path: &Path) -> PyErr {
    match error.raw_os_error() {
        Some(code) => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            PyOSError::new_err((code, text.to_owned(), path.as_os_str().to_owned()))
        }
        None if error.kind() == io::ErrorKind::InvalidData => {
            PyValueError::new_err(error.to_string())
        }
        None => error.into(),
    }
}

fn in_range(name: &str, value: i64, low: u64, high: u64) -> PyResult<u64> {
    match u64::try_from(value) {
        Ok(number) if (low..=high).contains(&number) => Ok(number),
        _ => Err(PyValueError::new_err(format!(
            "{name}: expected {low} to {high}, got {value}"
        ))),
    }
}

fn rom_bytes(rom: &Bound<PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(bytes) = rom.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    if let Ok(array) = rom.cast::<PyArray1<u8>>() {
        return Ok(array.try_readonly()?.as_array().to_vec());
    }
    Err(array_error(
        "rom",
        "bytes or a one-dimensional uint8 array",
        rom,
    ))
}

fn masks(actions: &Bound<PyAny>, num_envs: usize) -> PyResult<Vec<u8>> {
    let expected = format!("uint8 button masks of shape [{num_envs}]");
    let array = actions
        .cast::<PyArray1<u8>>()
        .map_err(|_| array_error("actions", &expected, actions))?;
    if array.len() != num_envs {
        return Err(array_error("actions", &expected, actions));
    }
    let array: PyReadonlyArray1<u8> = array.try_readonly()?;
    Ok(array.as_array().to_vec())
}

/// "name: expected …, got …", where got is an array's layout or a type's name.
fn array_error(name: &str, expected: &str, got: &Bound<PyAny>) -> PyErr {
    let got = match got.cast::<PyUntypedArray>() {
        Ok(array) => {
            let layout = if array.is_c_contiguous() {
                ""
            } else {
                "non-contiguous "
            };
            format!(
                "{layout}{} array of shape {:?}",
                array.dtype(),
                array.shape()
            )
        }
        Err(_) => got.get_type().to_string(),
    };
    PyValueError::new_err(format!("{name}: expected {expected}, got {got}"))
}

fn memory_span(addr: i64, length: i64) -> PyResult<std::ops::Range<u32>> {
    let fits =
        addr >= 0 && length >= 0 && addr.checked_add(length).is_some_and(|end| end <= 0x10000);
    if !fits {
        return Err(PyValueError::new_err(format!(
            "expected a span within 0x0000 to 0xFFFF, got {length} bytes from address {addr}"
        )));
    }
    Ok(addr as u32..(addr + length) as u32)
}

/// What is odd about a ROM's header, one line each; an empty list where all is well.
///
/// Raises:
///     ValueError: the ROM is too short or too long, or its mapper is not supported.
#[pyfunction]
fn check_rom(py: Python, rom: &Bound<PyAny>) -> PyResult<Vec<String>> {
    let rom = rom_bytes(rom)?;
    let rom = py.detach(|| Rom::new(&rom));
    Ok(rom.map_err(PyValueError::new_err)?.warnings)
}

#[pymodule(name = "emurust")]
fn emurust(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(check_rom, module)?)?;
    module.add_class::<VecGameBoy>()
}

//! A vectorised Game Boy for reinforcement learning, as a Python module.

pub mod apu;
pub mod cartridge;
pub mod cpu;
pub mod gameboy;
pub mod joypad;
pub mod mmu;
pub mod ppu;
mod run;
pub mod serial;
pub mod state;
pub mod timer;
pub mod vec_env;

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArray4, PyArrayMethods, PyReadonlyArray1, PyReadwriteArray4,
    PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use gameboy::RGB_BYTES;
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
/// Args:
///     rom: the cartridge, as bytes or a one-dimensional uint8 array.
///     num_envs: number of machines, 1 to 65536.
///     frame_skip: frames per step, 1 to 1048576.
///     hold_frames: frames for which a step holds its buttons; at `frame_skip` and above, all.
///     num_threads: threads to step with; 0 takes one per core.
///
/// Raises:
///     ValueError: the ROM is too short or its mapper is not supported, or a number is out of range.
#[pyclass(module = "emurust")]
struct VecGameBoy {
    env: VecEnv,
}

#[pymethods]
impl VecGameBoy {
    #[new]
    #[pyo3(signature = (rom, num_envs, frame_skip=30, *, hold_frames=8, num_threads=0))]
    fn new(
        py: Python,
        rom: &Bound<PyAny>,
        num_envs: i64,
        frame_skip: i64,
        hold_frames: i64,
        num_threads: i64,
    ) -> PyResult<Self> {
        let rom = rom_bytes(rom)?;
        let num_envs = in_range("num_envs", num_envs, 1, MAX_ENVS as u64)? as usize;
        let frame_skip = in_range("frame_skip", frame_skip, 1, MAX_FRAMES)?;
        let hold_frames = in_range("hold_frames", hold_frames, 0, MAX_FRAMES)?;
        let num_threads = in_range("num_threads", num_threads, 0, 1024)? as usize;
        let env = py
            .detach(|| VecEnv::new(&rom, num_envs, frame_skip, hold_frames, num_threads))
            .map_err(PyValueError::new_err)?;
        Ok(VecGameBoy { env })
    }

    /// Number of machines.
    #[getter]
    fn num_envs(&self) -> usize {
        self.env.num_envs()
    }

    /// Frames per step.
    #[getter]
    fn frame_skip(&self) -> u64 {
        self.env.frame_skip
    }

    /// Frames for which a step holds its buttons.
    #[getter]
    fn hold_frames(&self) -> u64 {
        self.env.hold_frames
    }

    /// Number of states kept by `save_state` and not dropped.
    #[getter]
    fn num_states(&self) -> usize {
        self.env.num_states()
    }

    /// The shape of observations: (num_envs, 144, 160, 3).
    fn obs_shape(&self) -> (usize, usize, usize, usize) {
        (self.env.num_envs(), HEIGHT, WIDTH, 3)
    }

    /// Powers on all machines, or only machine `env`; then draws all into `obs`.
    ///
    /// Raises:
    ///     ValueError: `obs` has another shape, another dtype, or is not contiguous and writable.
    ///     IndexError: no such env.
    #[pyo3(signature = (obs, env=None))]
    fn reset(&mut self, py: Python, obs: &Bound<PyAny>, env: Option<i64>) -> PyResult<()> {
        let env = env.map(|env| self.index(env)).transpose()?;
        let mut obs = self.observation(obs)?;
        let obs = obs.as_slice_mut()?;
        let vec_env = &mut self.env;
        py.detach(|| {
            vec_env.reset(env);
            vec_env.render(obs);
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
    fn step<'py>(
        &mut self,
        py: Python<'py>,
        actions: &Bound<'py, PyAny>,
        obs: &Bound<'py, PyAny>,
    ) -> PyResult<StepResult<'py>> {
        let num_envs = self.env.num_envs();
        let masks = masks(actions, num_envs)?;
        let mut obs = self.observation(obs)?;
        let obs = obs.as_slice_mut()?;
        let mut dones = vec![false; num_envs];
        let env = &mut self.env;
        py.detach(|| env.step(&masks, obs, &mut dones));
        Ok((PyArray1::zeros(py, num_envs, false), dones.into_pyarray(py)))
    }

    /// Draws all machines into `obs` without advancing them.
    ///
    /// Raises:
    ///     ValueError: `obs` has another shape, another dtype, or is not contiguous and writable.
    fn render(&self, py: Python, obs: &Bound<PyAny>) -> PyResult<()> {
        let mut obs = self.observation(obs)?;
        let obs = obs.as_slice_mut()?;
        py.detach(|| self.env.render(obs));
        Ok(())
    }

    /// Keeps a copy of machine `env` and returns its id.
    ///
    /// The copy stays in memory until `drop_state`. Raises IndexError: no such env.
    fn save_state(&mut self, env: i64) -> PyResult<u64> {
        let env = self.index(env)?;
        Ok(self.env.save_state(env))
    }

    /// Puts machine `env` into the state `state_id`, which may come from any machine of this batch.
    ///
    /// Raises:
    ///     IndexError: no such env.
    ///     ValueError: no such state.
    fn load_state(&mut self, env: i64, state_id: i64) -> PyResult<()> {
        let env = self.index(env)?;
        let known = u64::try_from(state_id).is_ok_and(|id| self.env.load_state(env, id));
        self.require_state(known, state_id)
    }

    /// Forgets the state `state_id`. Raises ValueError: no such state.
    fn drop_state(&mut self, state_id: i64) -> PyResult<()> {
        let known = u64::try_from(state_id).is_ok_and(|id| self.env.drop_state(id));
        self.require_state(known, state_id)
    }

    /// The state of machine `env` as bytes, to keep on disk. Raises IndexError: no such env.
    fn export_state<'py>(&mut self, py: Python<'py>, env: i64) -> PyResult<Bound<'py, PyBytes>> {
        let env = self.index(env)?;
        Ok(PyBytes::new(py, &self.env.gameboy(env).export()))
    }

    /// Puts machine `env` into a state made by `export_state` with the same ROM.
    ///
    /// Raises:
    ///     IndexError: no such env.
    ///     ValueError: the bytes are damaged, of another version, or of another ROM; the machine is
    ///         then unchanged.
    fn import_state(&mut self, env: i64, state: &[u8]) -> PyResult<()> {
        let env = self.index(env)?;
        self.env
            .import_state(env, state)
            .map_err(|error| PyValueError::new_err(error.0))
    }

    /// Reads `length` bytes of machine `env` from address `addr` on, as a debugger would: no time
    /// passes and nothing changes. Returns uint8 of shape (length,).
    ///
    /// Raises:
    ///     IndexError: no such env.
    ///     ValueError: the span leaves 0x0000..0xFFFF.
    fn read_memory<'py>(
        &mut self,
        py: Python<'py>,
        env: i64,
        addr: i64,
        length: i64,
    ) -> PyResult<Bound<'py, PyArray1<u8>>> {
        let env = self.index(env)?;
        let span = memory_span(addr, length)?;
        let gameboy = self.env.gameboy(env);
        let bytes: Vec<u8> = span.map(|address| gameboy.peek(address as u16)).collect();
        Ok(bytes.into_pyarray(py))
    }

    /// Like `read_memory` for all machines: uint8 of shape (num_envs, length).
    ///
    /// Raises:
    ///     ValueError: the span leaves 0x0000..0xFFFF.
    fn read_memory_batch<'py>(
        &mut self,
        py: Python<'py>,
        addr: i64,
        length: i64,
    ) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let span = memory_span(addr, length)?;
        let shape = [self.env.num_envs(), span.len()];
        let mut bytes = Vec::with_capacity(shape[0] * shape[1]);
        for gameboy in self.env.gameboys() {
            bytes.extend(span.clone().map(|address| gameboy.peek(address as u16)));
        }
        bytes.into_pyarray(py).reshape(shape)
    }

    /// The registers of machine `env`: af, bc, de, hl, sp, pc (ints), ime, halted, locked (bools)
    /// and clock (cycles since power-on). Raises IndexError: no such env.
    fn registers<'py>(&mut self, py: Python<'py>, env: i64) -> PyResult<Bound<'py, PyDict>> {
        let env = self.index(env)?;
        let gameboy = self.env.gameboy(env);
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
    fn index(&self, env: i64) -> PyResult<usize> {
        let num_envs = self.env.num_envs();
        match usize::try_from(env) {
            Ok(index) if index < num_envs => Ok(index),
            _ => Err(PyIndexError::new_err(format!(
                "expected an env from 0 to {}, got {env}",
                num_envs - 1
            ))),
        }
    }

    fn require_state(&self, known: bool, state_id: i64) -> PyResult<()> {
        if known {
            return Ok(());
        }
        Err(PyValueError::new_err(format!(
            "unknown state id {state_id}: {} states are kept, ids come from save_state",
            self.env.num_states()
        )))
    }

    /// Borrows the caller's observation array, or says what is wrong with it.
    fn observation<'py>(&self, obs: &Bound<'py, PyAny>) -> PyResult<PyReadwriteArray4<'py, u8>> {
        let (num_envs, height, width, channels) = self.obs_shape();
        let expected = [num_envs, height, width, channels];
        let array = obs
            .cast::<PyArray4<u8>>()
            .map_err(|_| array_error("obs", &format!("uint8 array of shape {expected:?}"), obs))?;
        if array.shape() != expected {
            let expected = format!("uint8 array of shape {expected:?}");
            return Err(array_error("obs", &expected, obs));
        }
        if !array.is_c_contiguous() {
            return Err(array_error("obs", "C-contiguous array", obs));
        }
        debug_assert_eq!(array.len(), num_envs * RGB_BYTES);
        array.try_readwrite().map_err(|error| {
            PyValueError::new_err(format!("obs: expected a writable array: {error}"))
        })
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

#[pymodule(name = "emurust")]
fn emurust(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<VecGameBoy>()
}

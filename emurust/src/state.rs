//! Machine states as bytes: each part lists its fields once, and is written and read in that order.

#![forbid(unsafe_code)]

/// Why bytes are not a state of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateError(pub String);

impl StateError {
    pub fn new(message: impl Into<String>) -> Self {
        StateError(message.into())
    }
}

/// Takes bytes off the front of a state.
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes }
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], StateError> {
        if count > self.bytes.len() {
            return Err(StateError::new("the state ends too early"));
        }
        let (head, tail) = self.bytes.split_at(count);
        self.bytes = tail;
        Ok(head)
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// A value with a fixed little-endian byte form.
pub trait Field {
    fn put(&self, out: &mut Vec<u8>);
    fn get(&mut self, reader: &mut Reader) -> Result<(), StateError>;
}

macro_rules! integer_field {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn get(&mut self, reader: &mut Reader) -> Result<(), StateError> {
                let bytes = reader.take(size_of::<$type>())?;
                let mut array = [0; size_of::<$type>()];
                array.copy_from_slice(bytes);
                *self = <$type>::from_le_bytes(array);
                Ok(())
            }
        }
    )*};
}
integer_field!(u8, u16, u64);

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn get(&mut self, reader: &mut Reader) -> Result<(), StateError> {
        *self = match reader.take(1)? {
            [0] => false,
            [1] => true,
            _ => return Err(StateError::new("a flag is neither 0 nor 1")),
        };
        Ok(())
    }
}

impl<T: Field, const N: usize> Field for [T; N] {
    fn put(&self, out: &mut Vec<u8>) {
        for item in self {
            item.put(out);
        }
    }
    fn get(&mut self, reader: &mut Reader) -> Result<(), StateError> {
        self.iter_mut().try_for_each(|item| item.get(reader))
    }
}

/// Implements [`Field`] for an enum of `repr(u8)` with `TryFrom<u8>`.
macro_rules! enum_field {
    ($type:ty) => {
        impl $crate::state::Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.push(*self as u8);
            }
            fn get(
                &mut self,
                reader: &mut $crate::state::Reader,
            ) -> Result<(), $crate::state::StateError> {
                let byte = reader.take(1)?[0];
                *self = <$type>::try_from(byte).map_err(|_| {
                    $crate::state::StateError::new(concat!("unknown value of ", stringify!($type)))
                })?;
                Ok(())
            }
        }
    };
}
pub(crate) use enum_field;

/// Implements [`Field`] for a struct. Every field must be named, or it does not compile.
macro_rules! struct_fields {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl $crate::state::Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let $type { $($field),* } = self;
                $($crate::state::Field::put($field, out);)*
            }
            fn get(
                &mut self,
                reader: &mut $crate::state::Reader,
            ) -> Result<(), $crate::state::StateError> {
                let $type { $($field),* } = self;
                $($crate::state::Field::get($field, reader)?;)*
                Ok(())
            }
        }
    };
}
pub(crate) use struct_fields;

/// 64-bit FNV-1a: names a ROM and detects damage. It is no defence against forgery, which the
/// checks of each part are there for.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

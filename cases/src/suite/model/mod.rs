//! Cases that compare the kernel with a [`model`](crate::model).

pub mod random_sequences;

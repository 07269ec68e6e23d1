//! Random histories, and what must hold in them.

pub(crate) mod charged;
pub(crate) mod checks;
pub(crate) mod life;
pub(crate) mod worlds;

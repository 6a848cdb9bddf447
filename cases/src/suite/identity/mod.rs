//! Identity: one buffer, whatever descriptor shows it.

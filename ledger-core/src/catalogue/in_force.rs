//! Which catalogue is in force when: all versions ever imported, in the order of their import.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Catalogue;

/// All catalogue versions ever imported, in the order of their import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogues {
    versions: Vec<Arc<Catalogue>>,
}

impl Catalogues {
    /// The catalogue in force at `at`: the one that began last; of two that began together, the one
    /// imported last.
    #[must_use]
    pub fn in_force(&self, at: DateTime<Utc>) -> Option<&Arc<Catalogue>> {
        let begun = self.versions.iter().filter(|catalogue| catalogue.effective_from <= at);
        begun.max_by_key(|catalogue| catalogue.effective_from)
    }

    /// Every version, in the order of import.
    pub fn iter(&self) -> impl Iterator<Item = &Catalogue> {
        self.versions.iter().map(std::convert::AsRef::as_ref)
    }

    /// Adds an imported version.
    #[must_use]
    pub fn with(mut self, catalogue: Catalogue) -> Self {
        self.versions.push(Arc::new(catalogue));
        self
    }
}

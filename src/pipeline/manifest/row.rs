//! Rows of a manifest, a slot's worth at a time, in one reused buffer.

/// Consecutive rows, as text; without columns when there is no manifest.
#[derive(Debug, Default)]
pub struct Rows {
    columns: usize,
    text: String,
    /// End of every value in `text`, row after row.
    ends: Vec<usize>,
    /// Number of every row among the rows of its spec.
    indices: Vec<u64>,
}

impl Rows {
    /// Rows numbered `range` that carry no manifest column.
    #[must_use]
    pub fn numbered(range: core::ops::Range<u64>) -> Self {
        let mut rows = Self::default();
        rows.number(range);
        rows
    }

    /// Forgets all rows and starts over with `columns` values a row.
    pub fn reset(&mut self, columns: usize) {
        self.columns = columns;
        self.text.clear();
        self.ends.clear();
        self.indices.clear();
    }

    /// Replaces everything by rows without columns.
    pub fn number(&mut self, range: core::ops::Range<u64>) {
        self.reset(0);
        self.indices.extend(range);
    }

    /// Adds a row.
    ///
    /// # Panics
    ///
    /// If `values` are not as many as the columns.
    pub fn push<'v>(&mut self, index: u64, values: impl IntoIterator<Item = &'v str>) {
        for value in values {
            self.text.push_str(value);
            self.ends.push(self.text.len());
        }
        self.indices.push(index);
        assert_eq!(self.ends.len(), self.indices.len() * self.columns, "a value per column");
    }

    /// How many rows there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// All values, row after row.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).flat_map(|row| self.row(row).texts())
    }

    /// Row number `row` of these.
    #[must_use]
    pub const fn row(&self, row: usize) -> Row<'_> {
        Row { rows: self, row }
    }
}

/// One row: its number and its values.
#[derive(Clone, Copy, Debug)]
pub struct Row<'r> {
    rows: &'r Rows,
    row: usize,
}

impl<'r> Row<'r> {
    /// The row's number among the rows of its spec, from 0.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.rows.indices[self.row]
    }

    /// The value in column `column`.
    #[must_use]
    pub fn text(&self, column: usize) -> &'r str {
        let place = self.row * self.rows.columns + column;
        let start = if place == 0 { 0 } else { self.rows.ends[place - 1] };
        &self.rows.text[start..self.rows.ends[place]]
    }

    /// All values, in the manifest's order.
    pub fn texts(&self) -> impl Iterator<Item = &'r str> + use<'r> {
        let row = *self;
        (0..self.rows.columns).map(move |column| row.text(column))
    }
}

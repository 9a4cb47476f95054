//! Members of the calls about imported material.

use crate::kms::members::Check;
use crate::kms::wire::Text;
use crate::spec::MaterialId;

/// `KeyMaterialId`.
pub(super) fn material_id(check: &mut Check, text: Option<&Text<'_>>) -> Option<MaterialId> {
    let is_allowed = |c: char| matches!(c, 'a'..='f' | '0'..='9');
    let text = check.pattern("keyMaterialId", text, 64..=64, ("^[a-f0-9]+$", is_allowed))?;
    text.parse().ok()
}

//! What the view makes of listings and changes.

use super::*;

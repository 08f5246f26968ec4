//! The closed lists of NetBox: stored value and label.
//!
//! Promises the lists real NetBox checks against, as far as bare-metal servers need them; a value outside
//! is refused as NetBox refuses it. Interface types are the common copper and fibre ones, not all of them.

use super::schema::Choices;

/// Site statuses.
pub const SITE: Choices = &[
    ("planned", "Planned"),
    ("staging", "Staging"),
    ("active", "Active"),
    ("decommissioning", "Decommissioning"),
    ("retired", "Retired"),
];

/// Rack statuses.
pub const RACK: Choices = &[
    ("reserved", "Reserved"),
    ("available", "Available"),
    ("planned", "Planned"),
    ("active", "Active"),
    ("deprecated", "Deprecated"),
];

/// Widths of racks in inches; these are numbers.
pub const RACK_WIDTH: Choices = &[("10", "10 inches"), ("19", "19 inches"), ("21", "21 inches"), ("23", "23 inches")];

/// Kinds of racks.
pub const RACK_FORM: Choices = &[
    ("2-post-frame", "2-post frame"),
    ("4-post-frame", "4-post frame"),
    ("4-post-cabinet", "4-post cabinet"),
    ("wall-frame", "Wall-mounted frame"),
    ("wall-cabinet", "Wall-mounted cabinet"),
];

/// Units of weight.
pub const WEIGHT: Choices = &[("kg", "Kilograms"), ("g", "Grams"), ("lb", "Pounds"), ("oz", "Ounces")];

/// Units of a rack's outside.
pub const OUTER: Choices = &[("mm", "Millimeters"), ("in", "Inches")];

/// Whether devices of a type hold or are held by others.
pub const SUBDEVICE: Choices = &[("parent", "Parent"), ("child", "Child")];

/// Device statuses; `FIELD_CHOICES` may add to them.
pub const DEVICE: Choices = &[
    ("offline", "Offline"),
    ("active", "Active"),
    ("planned", "Planned"),
    ("staged", "Staged"),
    ("failed", "Failed"),
    ("inventory", "Inventory"),
    ("decommissioning", "Decommissioning"),
];

/// Rack faces.
pub const FACE: Choices = &[("front", "Front"), ("rear", "Rear")];

/// Airflow.
pub const AIRFLOW: Choices = &[
    ("front-to-rear", "Front to rear"),
    ("rear-to-front", "Rear to front"),
    ("left-to-right", "Left to right"),
    ("right-to-left", "Right to left"),
    ("side-to-rear", "Side to rear"),
    ("passive", "Passive"),
    ("mixed", "Mixed"),
];

/// Interface types.
pub const INTERFACE: Choices = &[
    ("virtual", "Virtual"),
    ("bridge", "Bridge"),
    ("lag", "Link Aggregation Group (LAG)"),
    ("100base-tx", "100BASE-TX (10/100ME)"),
    ("1000base-t", "1000BASE-T (1GE)"),
    ("2.5gbase-t", "2.5GBASE-T (2.5GE)"),
    ("5gbase-t", "5GBASE-T (5GE)"),
    ("10gbase-t", "10GBASE-T (10GE)"),
    ("1000base-x-gbic", "GBIC (1GE)"),
    ("1000base-x-sfp", "SFP (1GE)"),
    ("10gbase-x-sfpp", "SFP+ (10GE)"),
    ("10gbase-x-xfp", "XFP (10GE)"),
    ("25gbase-x-sfp28", "SFP28 (25GE)"),
    ("50gbase-x-sfp56", "SFP56 (50GE)"),
    ("40gbase-x-qsfpp", "QSFP+ (40GE)"),
    ("50gbase-x-sfp28", "QSFP28 (50GE)"),
    ("100gbase-x-cfp", "CFP (100GE)"),
    ("100gbase-x-qsfp28", "QSFP28 (100GE)"),
    ("200gbase-x-qsfp56", "QSFP56 (200GE)"),
    ("400gbase-x-qsfpdd", "QSFP-DD (400GE)"),
    ("400gbase-x-osfp", "OSFP (400GE)"),
    ("infiniband-edr", "EDR (25 Gbps)"),
    ("infiniband-hdr", "HDR (50 Gbps)"),
    ("infiniband-ndr", "NDR (100 Gbps)"),
    ("other", "Other"),
];

/// Interface modes.
pub const MODE: Choices = &[("access", "Access"), ("tagged", "Tagged"), ("tagged-all", "Tagged (All)")];

/// Duplex.
pub const DUPLEX: Choices = &[("half", "Half"), ("full", "Full"), ("auto", "Auto")];

/// Cable types.
pub const CABLE: Choices = &[
    ("cat5e", "CAT5e"),
    ("cat6", "CAT6"),
    ("cat6a", "CAT6a"),
    ("cat7", "CAT7"),
    ("cat8", "CAT8"),
    ("dac-active", "Direct Attach Copper (Active)"),
    ("dac-passive", "Direct Attach Copper (Passive)"),
    ("mmf-om3", "Multimode Fiber (OM3)"),
    ("mmf-om4", "Multimode Fiber (OM4)"),
    ("mmf-om5", "Multimode Fiber (OM5)"),
    ("smf", "Singlemode Fiber"),
    ("smf-os2", "Singlemode Fiber (OS2)"),
    ("aoc", "Active Optical Cabling (AOC)"),
    ("power", "Power"),
];

/// Cable statuses.
pub const CABLE_STATUS: Choices =
    &[("connected", "Connected"), ("planned", "Planned"), ("decommissioning", "Decommissioning")];

/// Units of length.
pub const LENGTH: Choices =
    &[("km", "Kilometers"), ("m", "Meters"), ("cm", "Centimeters"), ("mi", "Miles"), ("ft", "Feet"), ("in", "Inches")];

/// IP address statuses.
pub const ADDRESS: Choices = &[
    ("active", "Active"),
    ("reserved", "Reserved"),
    ("deprecated", "Deprecated"),
    ("dhcp", "DHCP"),
    ("slaac", "SLAAC"),
];

/// IP address roles.
pub const ADDRESS_ROLE: Choices = &[
    ("loopback", "Loopback"),
    ("secondary", "Secondary"),
    ("anycast", "Anycast"),
    ("vip", "VIP"),
    ("vrrp", "VRRP"),
    ("hsrp", "HSRP"),
    ("glbp", "GLBP"),
    ("carp", "CARP"),
];

/// Prefix statuses.
pub const PREFIX: Choices =
    &[("container", "Container"), ("active", "Active"), ("reserved", "Reserved"), ("deprecated", "Deprecated")];

/// Journal entry kinds.
pub const JOURNAL: Choices = &[("info", "Info"), ("success", "Success"), ("warning", "Warning"), ("danger", "Danger")];

/// Custom field types.
pub const FIELD: Choices = &[
    ("text", "Text"),
    ("longtext", "Text (long)"),
    ("integer", "Integer"),
    ("decimal", "Decimal"),
    ("boolean", "Boolean (true/false)"),
    ("date", "Date"),
    ("datetime", "Date & time"),
    ("url", "URL"),
    ("json", "JSON"),
    ("select", "Selection"),
    ("multiselect", "Multiple selection"),
    ("object", "Object"),
    ("multiobject", "Multiple objects"),
];

/// How a custom field is filtered.
pub const FIELD_LOGIC: Choices = &[("disabled", "Disabled"), ("loose", "Loose"), ("exact", "Exact")];

/// Whether a custom field is shown.
pub const FIELD_VISIBLE: Choices = &[("always", "Always"), ("if-set", "If set"), ("hidden", "Hidden")];

/// Whether a custom field can be edited.
pub const FIELD_EDITABLE: Choices = &[("yes", "Yes"), ("no", "No"), ("hidden", "Hidden")];

/// What a change did.
pub const ACTION: Choices = &[("create", "Created"), ("update", "Updated"), ("delete", "Deleted")];

/// The label of a value, or the value itself.
pub fn label(choices: Choices, value: &str) -> String {
    if let Some((_, label)) = choices.iter().find(|(known, _)| *known == value) {
        return (*label).to_owned();
    }
    let mut letters = value.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

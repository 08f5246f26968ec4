//! Sites, racks, manufacturers, device types, roles and cables.
//!
//! Promises the fields of NetBox 3.7.3 and 4.6.8 in their recorded shape where they were recorded (cables,
//! sites, manufacturers, types, roles); racks follow the published API. Parts of NetBox
//! the lab has no use for (regions, locations, platforms, templates) are null or zero.

use super::super::choices;
use super::super::schema::{
    Default, Endpoint, Field, Filter, Kind, OnDelete, absent, choice, computed, count, decimal, fixed, flag, int, name,
    of, slug, text, to,
};
use super::super::{Version, rules, show};
use super::{BASE, COMMENTS, TAIL};

const V37: Version = Version::V3_7;
const V46: Version = Version::V4_6;
const ZERO: Default = Default::Int(0);

const NAME: Field = name("name", 100).required().unique();
const SITE: Field = to("site", "dcim/sites", OnDelete::Protect);
const TENANT: Field = to("tenant", "tenancy/tenants", OnDelete::Protect);

/// The endpoints below `dcim/`.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "dcim/sites",
        model: "dcim.site",
        noun: "site",
        class: "Site",
        fields: &[
            &[NAME, slug(), choice("status", choices::SITE, Default::Text("active")), TENANT, COMMENTS],
            &[absent("region"), absent("group"), text("facility"), name("time_zone", 63), text("physical_address")],
            &[text("shipping_address"), decimal("latitude"), decimal("longitude"), fixed("asns", Default::List)],
            &[
                count("device_count", "dcim/devices", "site").annotated(),
                count("rack_count", "dcim/racks", "site").annotated(),
                computed("prefix_count", show::prefixes_of_site).annotated(),
                fixed("circuit_count", ZERO).annotated(),
                fixed("virtualmachine_count", ZERO).annotated(),
                fixed("vlan_count", ZERO).annotated(),
            ],
            TAIL,
        ],
        filters: &[
            Filter::Field("name"),
            Filter::Field("slug"),
            Filter::Field("status"),
            Filter::Field("facility"),
            Filter::Field("description"),
            Filter::Via("tenant", &["tenant"]),
        ],
        ..BASE
    },
    Endpoint {
        path: "dcim/rack-roles",
        model: "dcim.rackrole",
        noun: "rack role",
        class: "RackRole",
        fields: &[
            &[NAME, slug(), text("color").or(Default::Text("9e9e9e")), count("rack_count", "dcim/racks", "role")],
            &[COMMENTS.only(V46)],
            TAIL,
        ],
        filters: &[Filter::Field("name"), Filter::Field("slug"), Filter::Field("color")],
        ..BASE
    },
    Endpoint {
        path: "dcim/racks",
        model: "dcim.rack",
        noun: "rack",
        class: "Rack",
        fields: &[RACK, COMMON_RACK, TAIL],
        brief37: &["name"],
        brief46: &["name", "description", "device_count"],
        filters: &[
            Filter::Field("name"),
            Filter::Field("facility_id"),
            Filter::Field("serial"),
            Filter::Field("asset_tag"),
            Filter::Field("status"),
            Filter::Field("u_height"),
            Filter::Via("site", &["site"]),
            Filter::Via("role", &["role"]),
            Filter::Via("tenant", &["tenant"]),
        ],
        search: &["name", "facility_id", "serial", "asset_tag", "comments"],
        order: &["site.name", "name"],
        ..BASE
    },
    Endpoint {
        path: "dcim/manufacturers",
        model: "dcim.manufacturer",
        noun: "manufacturer",
        class: "Manufacturer",
        fields: &[
            &[NAME, slug(), COMMENTS.only(V46)],
            &[
                count("devicetype_count", "dcim/device-types", "manufacturer").annotated(),
                fixed("moduletype_count", ZERO).only(V46),
                fixed("inventoryitem_count", ZERO).annotated(),
                fixed("platform_count", ZERO).annotated(),
            ],
            TAIL,
        ],
        filters: &[Filter::Field("name"), Filter::Field("slug"), Filter::Field("description")],
        ..BASE
    },
    Endpoint {
        path: "dcim/device-types",
        model: "dcim.devicetype",
        noun: "device type",
        class: "DeviceType",
        fields: &[TYPE, TEMPLATES, TAIL],
        brief37: &["manufacturer", "model", "slug"],
        brief46: &["manufacturer", "model", "slug", "description", "device_count"],
        filters: &[
            Filter::Field("model"),
            Filter::Field("slug"),
            Filter::Field("part_number"),
            Filter::Field("u_height"),
            Filter::Via("manufacturer", &["manufacturer"]),
        ],
        search: &["model", "part_number", "comments", "description"],
        order: &["manufacturer.name", "model"],
        together: &[&["manufacturer", "model"], &["manufacturer", "slug"]],
        display: show::model_name,
        ..BASE
    },
    Endpoint {
        path: "dcim/device-roles",
        model: "dcim.devicerole",
        noun: "device role",
        class: "DeviceRole",
        fields: &[
            &[
                NAME,
                slug(),
                text("color").or(Default::Text("9e9e9e")),
                flag("vm_role", true),
                absent("config_template"),
            ],
            &[
                count("device_count", "dcim/devices", "role").annotated().zero_nested(),
                fixed("virtualmachine_count", ZERO).annotated(),
                absent("parent").only(V46),
                fixed("_depth", ZERO).only(V46),
                COMMENTS.only(V46),
            ],
            TAIL,
        ],
        brief46: &["name", "slug", "description", "device_count", "virtualmachine_count", "_depth"],
        filters: &[Filter::Field("name"), Filter::Field("slug"), Filter::Field("color"), Filter::Field("vm_role")],
        ..BASE
    },
    Endpoint {
        path: "dcim/cables",
        model: "dcim.cable",
        noun: "cable",
        class: "Cable",
        fields: &[
            &[
                of("type", Kind::BareChoice(choices::CABLE)).or(Default::Text("")),
                of("a_terminations", Kind::Terminations).or(Default::List),
                of("b_terminations", Kind::Terminations).or(Default::List),
                choice("status", choices::CABLE_STATUS, Default::Text("connected")),
                TENANT,
                text("label"),
                text("color"),
                decimal("length"),
                choice("length_unit", choices::LENGTH, Default::Null),
                COMMENTS,
                fixed("profile", Default::Null).only(V46),
                fixed("bundle", Default::Null).only(V46),
            ],
            TAIL,
        ],
        brief37: &["label"],
        brief46: &["label", "description"],
        filters: &[
            Filter::Field("type"),
            Filter::Field("status"),
            Filter::Field("label"),
            Filter::Field("color"),
            Filter::Special("device_id", show::cable_of_device_id),
            Filter::Special("device", show::cable_of_device),
            Filter::Special("interface_id", show::cable_of_interface_id),
            Filter::Special("termination_a_id", show::cable_a_id),
            Filter::Special("termination_b_id", show::cable_b_id),
        ],
        search: &["label"],
        order: &["id"],
        display: show::cable,
        check: rules::cable,
        ..BASE
    },
];

const RACK: &[Field] = &[
    name("name", 100).required(),
    SITE.required(),
    choice("status", choices::RACK, Default::Text("active")),
    TENANT,
    to("role", "dcim/rack-roles", OnDelete::Protect),
    int("u_height").or(Default::Int(42)),
    int("starting_unit").or(Default::Int(1)),
    flag("desc_units", false),
    text("serial").max(50),
    name("asset_tag", 50).unique(),
    COMMENTS,
    count("device_count", "dcim/devices", "rack").annotated(),
    fixed("powerfeed_count", ZERO).annotated(),
];

const COMMON_RACK: &[Field] = &[
    name("facility_id", 50),
    absent("location"),
    choice("width", choices::RACK_WIDTH, Default::Text("19")),
    decimal("weight"),
    int("max_weight"),
    choice("weight_unit", choices::WEIGHT, Default::Null),
    int("outer_width"),
    int("outer_depth"),
    choice("outer_unit", choices::OUTER, Default::Null),
    int("mounting_depth"),
    choice("type", choices::RACK_FORM, Default::Null).only(V37),
    absent("rack_type").only(V46),
    choice("form_factor", choices::RACK_FORM, Default::Null).only(V46),
    int("outer_height").only(V46),
    choice("airflow", choices::AIRFLOW, Default::Null).only(V46),
];

const TYPE: &[Field] = &[
    to("manufacturer", "dcim/manufacturers", OnDelete::Protect).required(),
    absent("default_platform"),
    name("model", 100).required(),
    of("slug", Kind::Slug).required(),
    text("part_number"),
    decimal("u_height").or(Default::Int(1)),
    flag("exclude_from_utilization", false),
    flag("is_full_depth", true),
    choice("subdevice_role", choices::SUBDEVICE, Default::Null),
    choice("airflow", choices::AIRFLOW, Default::Null),
    decimal("weight"),
    choice("weight_unit", choices::WEIGHT, Default::Null),
    fixed("front_image", Default::Text("")).only(V37),
    fixed("rear_image", Default::Text("")).only(V37),
    fixed("front_image", Default::Null).only(V46),
    fixed("rear_image", Default::Null).only(V46),
    COMMENTS,
    count("device_count", "dcim/devices", "device_type").annotated(),
];

const TEMPLATES: &[Field] = &[
    fixed("console_port_template_count", ZERO),
    fixed("console_server_port_template_count", ZERO),
    fixed("power_port_template_count", ZERO),
    fixed("power_outlet_template_count", ZERO),
    fixed("interface_template_count", ZERO),
    fixed("front_port_template_count", ZERO),
    fixed("rear_port_template_count", ZERO),
    fixed("device_bay_template_count", ZERO),
    fixed("module_bay_template_count", ZERO),
    fixed("inventory_item_template_count", ZERO),
];

//! Devices, their interfaces and MAC addresses.
//!
//! Promises the recorded fields of NetBox 3.7.3 and 4.6.8: on 3.7 an interface has one writable MAC address, on
//! 4.6 MAC addresses are objects of their own. Components the lab has no use for are zero.

use super::super::choices;
use super::super::schema::{
    Default, Endpoint, Field, Filter, Kind, OnDelete, absent, any, choice, computed, count, decimal, fixed, flag, int,
    name, of, text, to,
};
use super::super::{Version, rules, show};
use super::{BASE, COMMENTS, TAIL};

const V37: Version = Version::V3_7;
const V46: Version = Version::V4_6;
const ZERO: Default = Default::Int(0);

const SITE: Field = to("site", "dcim/sites", OnDelete::Protect);
const TENANT: Field = to("tenant", "tenancy/tenants", OnDelete::Protect);

/// Devices, interfaces, MAC addresses.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "dcim/devices",
        model: "dcim.device",
        noun: "device",
        class: "Device",
        fields: &[DEVICE, PLACE, ADDRESSES, UNUSED_DEVICE, COMPONENTS, TAIL],
        brief37: &["name"],
        brief46: &["name", "description"],
        filters: DEVICE_FILTERS,
        search: &["name", "serial", "asset_tag", "description", "comments"],
        display: show::device,
        check: rules::device,
        ..BASE
    },
    Endpoint {
        path: "dcim/interfaces",
        model: "dcim.interface",
        noun: "interface",
        class: "Interface",
        fields: &[INTERFACE, LINK, UNUSED_INTERFACE, TAIL],
        brief37: &["device", "name", "cable", "_occupied"],
        brief46: &["device", "name", "description", "cable", "_occupied"],
        filters: INTERFACE_FILTERS,
        search: &["name", "label", "description"],
        order: &["device.name", "name"],
        together: &[&["device", "name"]],
        check: rules::interface,
        ..BASE
    },
    Endpoint {
        path: "dcim/mac-addresses",
        model: "dcim.macaddress",
        noun: "MAC address",
        class: "MACAddress",
        only: Some(V46),
        fields: &[
            &[
                of("mac_address", Kind::Mac).required(),
                of("assigned_object_type", Kind::Model),
                int("assigned_object_id"),
                computed("assigned_object", show::assigned_object),
                COMMENTS,
            ],
            TAIL,
        ],
        brief46: &["mac_address", "description"],
        filters: &[
            Filter::Field("mac_address"),
            Filter::Field("assigned_object_type"),
            Filter::Field("assigned_object_id"),
            Filter::Special("interface_id", show::assigned_to_interface_id),
            Filter::Special("interface", show::assigned_to_interface),
            Filter::Special("device_id", show::assigned_to_device_id),
            Filter::Special("device", show::assigned_to_device),
        ],
        search: &["mac_address", "description"],
        order: &["mac_address", "id"],
        display: show::mac,
        check: rules::mac,
        ..BASE
    },
];
const DEVICE: &[Field] = &[
    name("name", 64),
    to("device_type", "dcim/device-types", OnDelete::Protect).required(),
    to("role", "dcim/device-roles", OnDelete::Protect).required(),
    computed("device_role", show::device_role).only(V37),
    TENANT,
    text("serial").max(50),
    name("asset_tag", 50).unique(),
    choice("status", choices::DEVICE, Default::Text("active")),
    COMMENTS,
    any("local_context_data"),
    fixed("config_context", Default::Map),
];

const PLACE: &[Field] = &[
    SITE.required(),
    to("rack", "dcim/racks", OnDelete::Protect),
    decimal("position"),
    choice("face", choices::FACE, Default::Text("")),
    absent("location"),
    decimal("latitude"),
    decimal("longitude"),
];

const ADDRESSES: &[Field] = &[
    computed("primary_ip", show::primary_ip),
    to("primary_ip4", "ipam/ip-addresses", OnDelete::Clear),
    to("primary_ip6", "ipam/ip-addresses", OnDelete::Clear),
    to("oob_ip", "ipam/ip-addresses", OnDelete::Clear),
];

const UNUSED_DEVICE: &[Field] = &[
    absent("platform"),
    fixed("parent_device", Default::Null),
    choice("airflow", choices::AIRFLOW, Default::Text("")).only(V37),
    choice("airflow", choices::AIRFLOW, Default::Null).only(V46),
    absent("cluster"),
    absent("virtual_chassis"),
    int("vc_position"),
    int("vc_priority"),
    absent("config_template"),
];

const COMPONENTS: &[Field] = &[
    count("interface_count", "dcim/interfaces", "device"),
    fixed("console_port_count", ZERO),
    fixed("console_server_port_count", ZERO),
    fixed("power_port_count", ZERO),
    fixed("power_outlet_count", ZERO),
    fixed("front_port_count", ZERO),
    fixed("rear_port_count", ZERO),
    fixed("device_bay_count", ZERO),
    fixed("module_bay_count", ZERO),
    fixed("inventory_item_count", ZERO),
];

const DEVICE_FILTERS: &[Filter] = &[
    Filter::Field("name"),
    Filter::Field("serial"),
    Filter::Field("asset_tag"),
    Filter::Field("status"),
    Filter::Field("position"),
    Filter::Field("face"),
    Filter::Field("description"),
    Filter::Via("device_type", &["device_type"]),
    Filter::Via("manufacturer", &["device_type", "manufacturer"]),
    Filter::Via("role", &["role"]),
    Filter::Via("site", &["site"]),
    Filter::Via("rack", &["rack"]),
    Filter::Via("tenant", &["tenant"]),
    Filter::Special("primary_ip4_id", show::primary_ip4_id),
    Filter::Special("oob_ip_id", show::oob_ip_id),
    Filter::Ids("mac_address", show::devices_with_mac),
    Filter::Special("has_primary_ip", show::has_primary_ip),
];

const INTERFACE: &[Field] = &[
    to("device", "dcim/devices", OnDelete::Cascade).required(),
    name("name", 64).required(),
    text("label"),
    choice("type", choices::INTERFACE, Default::Null).required(),
    flag("enabled", true),
    flag("mgmt_only", false),
    flag("mark_connected", false),
    int("mtu"),
    int("speed"),
    choice("duplex", choices::DUPLEX, Default::Null),
    choice("mode", choices::MODE, Default::Null),
    of("mac_address", Kind::Mac).only(V37),
    computed("mac_address", show::primary_mac).only(V46),
    to("primary_mac_address", "dcim/mac-addresses", OnDelete::Clear).only(V46),
    computed("mac_addresses", show::mac_addresses).only(V46),
];

const LINK: &[Field] = &[
    computed("cable", show::interface_cable),
    computed("cable_end", show::cable_end),
    computed("link_peers", show::link_peers),
    computed("link_peers_type", show::link_peers_type),
    computed("connected_endpoints", show::connected_endpoints),
    computed("connected_endpoints_type", show::link_peers_type),
    computed("connected_endpoints_reachable", show::reachable),
    computed("count_ipaddresses", show::addresses_of_interface),
    computed("_occupied", show::occupied),
];

const UNUSED_INTERFACE: &[Field] = &[
    fixed("vdcs", Default::List),
    absent("module"),
    absent("parent"),
    absent("bridge"),
    fixed("bridge_interfaces", Default::List).only(V46),
    absent("lag"),
    name("wwn", 23),
    choice("rf_role", &[], Default::Null),
    choice("rf_channel", &[], Default::Null),
    decimal("rf_channel_frequency"),
    decimal("rf_channel_width"),
    int("tx_power"),
    choice("poe_mode", &[], Default::Null),
    choice("poe_type", &[], Default::Null),
    absent("untagged_vlan"),
    fixed("tagged_vlans", Default::List),
    fixed("wireless_link", Default::Null),
    fixed("wireless_lans", Default::List),
    to("vrf", "ipam/vrfs", OnDelete::Clear),
    absent("qinq_svlan").only(V46),
    absent("vlan_translation_policy").only(V46),
    fixed("l2vpn_termination", Default::Null),
    fixed("count_fhrp_groups", ZERO),
];

const INTERFACE_FILTERS: &[Filter] = &[
    Filter::Field("name"),
    Filter::Field("label"),
    Filter::Field("type"),
    Filter::Field("enabled"),
    Filter::Field("mgmt_only"),
    Filter::Field("mtu"),
    Filter::Field("speed"),
    Filter::Field("description"),
    Filter::Via("device", &["device"]),
    Filter::Via("device_role", &["device", "role"]),
    Filter::Via("device_type", &["device", "device_type"]),
    Filter::Via("site", &["device", "site"]),
    Filter::Via("rack", &["device", "rack"]),
    Filter::Ids("mac_address", show::interfaces_with_mac),
    Filter::Special("cabled", show::is_cabled),
    Filter::Special("connected", show::is_cabled),
    Filter::Special("occupied", show::is_cabled),
    Filter::Special("cable_id", show::has_cable_id),
];

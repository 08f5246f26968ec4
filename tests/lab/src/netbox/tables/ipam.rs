//! VRFs, prefixes, IP addresses, their roles, and tenants.
//!
//! Promises the fields of both versions; a prefix has `site` on 3.7 and `scope_type`, `scope_id` on 4.6, where
//! `site` in a write is ignored as 4.6 ignores it. VLANs are null.

use super::super::choices;
use super::super::schema::{
    Default, Endpoint, Filter, Kind, OnDelete, absent, choice, computed, count, fixed, flag, int, name, of, slug, text,
    to,
};
use super::super::{Version, rules, show};
use super::{BASE, COMMENTS, TAIL};

const V37: Version = Version::V3_7;
const V46: Version = Version::V4_6;
const ZERO: Default = Default::Int(0);

/// The endpoints below `ipam/` and `tenancy/`.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "ipam/roles",
        model: "ipam.role",
        noun: "role",
        class: "Role",
        fields: &[
            &[name("name", 100).required().unique(), slug(), int("weight").or(Default::Int(1000))],
            &[count("prefix_count", "ipam/prefixes", "role").annotated(), fixed("vlan_count", ZERO).annotated()],
            &[COMMENTS.only(V46)],
            TAIL,
        ],
        order: &["weight", "name"],
        filters: &[Filter::Field("name"), Filter::Field("slug"), Filter::Field("description")],
        ..BASE
    },
    Endpoint {
        path: "ipam/vrfs",
        model: "ipam.vrf",
        noun: "VRF",
        class: "VRF",
        fields: &[
            &[
                name("name", 100).required(),
                name("rd", 21).unique(),
                to("tenant", "tenancy/tenants", OnDelete::Protect),
                flag("enforce_unique", true),
                fixed("import_targets", Default::List),
                fixed("export_targets", Default::List),
                count("ipaddress_count", "ipam/ip-addresses", "vrf").annotated(),
                count("prefix_count", "ipam/prefixes", "vrf").annotated(),
                COMMENTS,
            ],
            TAIL,
        ],
        brief37: &["name", "rd", "prefix_count"],
        brief46: &["name", "rd", "description", "prefix_count"],
        filters: &[Filter::Field("name"), Filter::Field("rd"), Filter::Via("tenant", &["tenant"])],
        search: &["name", "rd", "description"],
        order: &["name", "rd"],
        ..BASE
    },
    Endpoint {
        path: "ipam/prefixes",
        model: "ipam.prefix",
        noun: "prefix",
        class: "Prefix",
        fields: &[
            &[
                computed("family", show::family),
                of("prefix", Kind::Network).required(),
                to("site", "dcim/sites", OnDelete::Protect).only(V37),
                of("scope_type", Kind::Model).only(V46),
                int("scope_id").only(V46),
                computed("scope", show::scope).only(V46),
                to("vrf", "ipam/vrfs", OnDelete::Protect),
                absent("vlan"),
                to("tenant", "tenancy/tenants", OnDelete::Protect),
                choice("status", choices::PREFIX, Default::Text("active")),
                to("role", "ipam/roles", OnDelete::Clear),
                flag("is_pool", false),
                flag("mark_utilized", false),
                COMMENTS,
                fixed("children", ZERO),
                fixed("_depth", ZERO),
            ],
            TAIL,
        ],
        brief37: &["family", "prefix", "_depth"],
        brief46: &["family", "prefix", "description", "_depth"],
        filters: &[
            Filter::Field("status"),
            Filter::Field("is_pool"),
            Filter::Field("description"),
            Filter::Via("role", &["role"]),
            Filter::Via("tenant", &["tenant"]),
            Filter::Special("site", show::prefix_in_site),
            Filter::Special("site_id", show::prefix_in_site_id),
            Filter::SpecialIn(V46, "scope_type", show::prefix_scope_type),
            Filter::SpecialIn(V46, "scope_id", show::prefix_scope_id),
            Filter::Special("prefix", show::prefix_is),
            Filter::Special("contains", show::prefix_contains),
            Filter::Special("within", show::prefix_within),
            Filter::Special("within_include", show::prefix_within_include),
            Filter::Special("family", show::has_family),
            Filter::Special("mask_length", show::has_mask),
        ],
        search: &["prefix", "description"],
        order: &["prefix"],
        display: show::prefix,
        check: rules::prefix,
        ..BASE
    },
    Endpoint {
        path: "ipam/ip-addresses",
        model: "ipam.ipaddress",
        noun: "IP address",
        class: "IPAddress",
        fields: &[
            &[
                computed("family", show::family),
                of("address", Kind::Ip).required(),
                to("vrf", "ipam/vrfs", OnDelete::Protect),
                to("tenant", "tenancy/tenants", OnDelete::Protect),
                choice("status", choices::ADDRESS, Default::Text("active")),
                choice("role", choices::ADDRESS_ROLE, Default::Text("")),
                of("assigned_object_type", Kind::Model),
                int("assigned_object_id"),
                computed("assigned_object", show::assigned_object),
                absent("nat_inside"),
                fixed("nat_outside", Default::List),
                text("dns_name"),
                COMMENTS,
            ],
            TAIL,
        ],
        brief37: &["family", "address"],
        brief46: &["family", "address", "nat_inside", "nat_outside", "dns_name", "description"],
        filters: &[
            Filter::Field("status"),
            Filter::Field("role"),
            Filter::Field("dns_name"),
            Filter::Field("description"),
            Filter::Via("tenant", &["tenant"]),
            Filter::Special("address", show::address_is),
            Filter::Special("parent", show::address_in),
            Filter::Special("family", show::has_family),
            Filter::Special("mask_length", show::has_mask),
            Filter::Special("interface_id", show::assigned_to_interface_id),
            Filter::Special("interface", show::assigned_to_interface),
            Filter::Special("device_id", show::assigned_to_device_id),
            Filter::Special("device", show::assigned_to_device),
            Filter::Special("assigned_to_interface", show::is_assigned),
        ],
        search: &["address", "dns_name", "description"],
        order: &["address"],
        display: show::address,
        check: rules::address,
        ..BASE
    },
    Endpoint {
        path: "tenancy/tenants",
        model: "tenancy.tenant",
        noun: "tenant",
        class: "Tenant",
        fields: &[
            &[name("name", 100).required().unique(), slug(), absent("group"), COMMENTS],
            &[
                count("device_count", "dcim/devices", "tenant").annotated(),
                count("rack_count", "dcim/racks", "tenant").annotated(),
                count("site_count", "dcim/sites", "tenant").annotated(),
                count("prefix_count", "ipam/prefixes", "tenant").annotated(),
                count("ipaddress_count", "ipam/ip-addresses", "tenant").annotated(),
                fixed("circuit_count", ZERO).annotated(),
                fixed("cluster_count", ZERO).annotated(),
                fixed("virtualmachine_count", ZERO).annotated(),
                fixed("vlan_count", ZERO).annotated(),
                count("vrf_count", "ipam/vrfs", "tenant").annotated(),
            ],
            TAIL,
        ],
        filters: &[Filter::Field("name"), Filter::Field("slug"), Filter::Field("description")],
        ..BASE
    },
];

//! Custom fields and their choices, journal entries, tags, and the log of changes.
//!
//! Promises the recorded shapes; which objects a custom field belongs to is `content_types` on 3.7 and
//! `object_types` on 4.6, and the log of changes is under `extras/` or `core/`.

use super::super::choices;
use super::super::schema::{
    Default, Endpoint, Field, Filter, Kind, OnDelete, any, choice, computed, fixed, flag, int, name, of, slug, text, to,
};
use super::super::{Version, rules, show};
use super::{BASE, COMMENTS};

const V37: Version = Version::V3_7;
const V46: Version = Version::V4_6;

const MARKS: &[Field] =
    &[of("tags", Kind::Tags).or(Default::List), of("custom_fields", Kind::CustomFields).or(Default::Map)];

/// The endpoints below `extras/` and `core/`.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "extras/custom-field-choice-sets",
        model: "extras.customfieldchoiceset",
        noun: "custom field choice set",
        class: "CustomFieldChoiceSet",
        ui: Some("extras/custom-field-choices"),
        fields: &[&[
            name("name", 100).required().unique(),
            text("description"),
            choice("base_choices", &[], Default::Null),
            any("extra_choices").or(Default::List).required(),
            flag("order_alphabetically", false),
            computed("choices_count", show::choices_count),
            any("choice_colors").or(Default::Map).only(V46),
            fixed("owner", Default::Null).only(V46),
        ]],
        brief37: &["name", "choices_count"],
        brief46: &["name", "description", "choices_count"],
        filters: &[Filter::Field("name"), Filter::Field("description"), Filter::Field("order_alphabetically")],
        search: &["name", "description"],
        check: rules::choice_set,
        ..BASE
    },
    Endpoint {
        path: "extras/custom-fields",
        model: "extras.customfield",
        noun: "custom field",
        class: "CustomField",
        fields: &[CUSTOM_FIELD],
        brief37: &["name"],
        brief46: &["name", "description"],
        filters: &[
            Filter::Field("name"),
            Filter::Field("label"),
            Filter::Field("type"),
            Filter::Field("required"),
            Filter::Field("description"),
            Filter::Via("choice_set", &["choice_set"]),
            Filter::SpecialIn(V37, "content_types", show::field_of_37),
            Filter::SpecialIn(V46, "object_type", show::field_of_46),
        ],
        search: &["name", "label", "description"],
        order: &["weight", "name"],
        display: show::custom_field,
        check: rules::custom_field,
        ..BASE
    },
    Endpoint {
        path: "extras/journal-entries",
        model: "extras.journalentry",
        noun: "journal entry",
        class: "JournalEntry",
        fields: &[
            &[
                of("assigned_object_type", Kind::Model).required(),
                int("assigned_object_id").required(),
                computed("assigned_object", show::assigned_object),
                int("created_by"),
                choice("kind", choices::JOURNAL, Default::Text("info")),
                of("comments", Kind::Text(1_000_000)).required(),
            ],
            MARKS,
        ],
        brief37: &["created"],
        brief46: &["created"],
        filters: &[
            Filter::Field("assigned_object_type"),
            Filter::Field("assigned_object_id"),
            Filter::Field("kind"),
            Filter::Special("created_by_id", show::created_by_id),
            Filter::Special("created_after", show::created_after),
            Filter::Special("created_before", show::created_before),
        ],
        search: &["comments"],
        order: &["-created"],
        display: show::journal,
        check: rules::journal,
        ..BASE
    },
    Endpoint {
        path: "extras/tags",
        model: "extras.tag",
        noun: "tag",
        class: "Tag",
        fields: &[&[
            name("name", 100).required().unique(),
            slug(),
            text("color").or(Default::Text("9e9e9e")),
            text("description"),
            of("object_types", Kind::Models).or(Default::List),
            int("weight").or(Default::Int(1000)).only(V46),
            computed("tagged_items", show::tagged_items).annotated(),
            fixed("owner", Default::Null).only(V46),
        ]],
        brief37: &["name", "slug", "color"],
        brief46: &["name", "slug", "color"],
        filters: &[Filter::Field("name"), Filter::Field("slug"), Filter::Field("color"), Filter::Field("description")],
        ..BASE
    },
    Endpoint { path: "extras/object-changes", only: Some(V37), fields: &[CHANGE], ..CHANGES },
    Endpoint {
        path: "core/object-changes",
        ui: Some("core/changelog"),
        only: Some(V46),
        fields: &[CHANGE, &[fixed("message", Default::Text("")), text("object_repr")]],
        ..CHANGES
    },
];

const CUSTOM_FIELD: &[Field] = &[
    of("content_types", Kind::Models).required().only(V37),
    of("object_types", Kind::Models).required().only(V46),
    choice("type", choices::FIELD, Default::Null).required(),
    name("object_type", 100).only(V37),
    name("related_object_type", 100).only(V46),
    computed("data_type", show::data_type),
    name("name", 50).required().unique(),
    text("label"),
    text("group_name"),
    text("description"),
    flag("required", false),
    flag("unique", false).only(V46),
    int("search_weight").or(Default::Int(1000)),
    choice("filter_logic", choices::FIELD_LOGIC, Default::Text("loose")),
    choice("ui_visible", choices::FIELD_VISIBLE, Default::Text("always")),
    choice("ui_editable", choices::FIELD_EDITABLE, Default::Text("yes")),
    flag("is_cloneable", false),
    any("default"),
    any("related_object_filter").only(V46),
    int("weight").or(Default::Int(100)),
    int("validation_minimum"),
    int("validation_maximum"),
    text("validation_regex"),
    any("validation_schema").only(V46),
    to("choice_set", "extras/custom-field-choice-sets", OnDelete::Protect),
    fixed("owner", Default::Null).only(V46),
    COMMENTS.only(V46),
];

const CHANGE: &[Field] = &[
    name("time", 40),
    computed("user", show::user),
    name("user_name", 150),
    name("request_id", 40),
    choice("action", choices::ACTION, Default::Null),
    of("changed_object_type", Kind::Model),
    int("changed_object_id"),
    computed("changed_object", show::changed_object),
    any("prechange_data"),
    any("postchange_data"),
];

const CHANGES: Endpoint = Endpoint {
    model: "core.objectchange",
    noun: "object change",
    class: "ObjectChange",
    brief37: &["time"],
    brief46: &["time"],
    filters: &[
        Filter::Field("changed_object_type"),
        Filter::Field("changed_object_id"),
        Filter::Field("action"),
        Filter::Field("user_name"),
        Filter::Field("request_id"),
    ],
    search: &["user_name", "object_repr"],
    order: &["-id"],
    display: show::change,
    ..BASE
};

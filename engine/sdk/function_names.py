"""The names that the language's own functions have: no plugin may take one of them. A test holds the list complete."""

BUILT_IN: frozenset[str] = frozenset(
    (
        *("abs", "add_days", "add_hours", "add_minutes", "add_months", "add_seconds", "add_weekdays", "add_weeks"),
        *("add_years", "append", "approval_link", "ascii", "at", "avg", "base64_decode", "base64_encode"),
        *("base64url_decode", "base64url_encode", "byte_length", "camel_case", "capitalize", "ceil", "char"),
        *("chunk", "coalesce", "concat", "contains", "date_difference", "date_max", "date_min", "day_of_month"),
        *("day_of_week", "day_of_year", "days_in_month", "days_in_split_week", "days_in_year", "difference"),
        *("end_of", "ends_with", "entries", "escape_html", "escape_markdown", "find_first", "find_last", "first"),
        *("flatten", "floor", "format_date", "format_number", "from_timestamp", "get", "group_by", "hex_decode"),
        *("hex_encode", "hmac_md5", "hmac_sha1", "hmac_sha256", "hmac_sha512", "hour", "if", "if_empty", "in_zone"),
        *("intersection", "is_blank", "is_date", "is_empty", "is_weekend", "join", "kebab_case", "keys", "last"),
        *("left", "length", "ln", "log", "lower", "map", "match", "match_all", "matches", "max", "max_by", "md5"),
        *("median", "merge", "merge_deep", "mime_type", "min", "min_by", "minute", "month", "newline", "not_null"),
        *("now", "omit", "omit_keys", "pad_left", "pad_right", "parse_csv", "parse_date", "parse_json"),
        *("parse_number", "parse_query", "pascal_case", "pi", "pick_keys", "power", "product", "quarter", "random"),
        *("random_integer", "range", "recode", "remove", "remove_accents", "repeat", "replace", "replace_emoji"),
        *("replace_pattern", "reverse", "right", "round", "second", "set_day_of_month", "set_day_of_week"),
        *("set_hour", "set_minute", "set_month", "set_second", "set_year", "sha1", "sha256", "sha512", "shuffle"),
        *("slice", "snake_case", "sort", "sort_by", "split", "split_pattern", "sqrt", "start_case", "start_of"),
        *("starts_with", "stdev_population", "stdev_sample", "strip_html", "substring", "sum", "switch"),
        *("symmetric_difference", "tab", "to_array", "to_csv", "to_date", "to_json", "to_number", "to_object"),
        *("to_query", "to_string", "to_timestamp", "trim", "trim_left", "trim_right", "trunc", "type"),
        *("unescape_html", "union", "unique", "unique_by", "upper", "url_decode", "url_encode", "uuid", "values"),
        *("week", "weekday_difference", "work_minutes", "year", "zip"),
    )
)

//! The tables, one for each part of RFC 9110 and RFC 9112 that concerns a server of files.

mod bodies;
mod coding;
mod conditions;
mod fields;
mod limits;
mod methods;
mod persistence;
mod ranges;
mod request_line;
mod targets;

use super::table::Rows;

/// The tables of whole requests, to make others from.
pub const WHOLE: [Rows; 9] = [
    request_line::REQUEST_LINES,
    request_line::HOSTS,
    fields::GRAMMAR,
    bodies::LENGTHS,
    bodies::CODINGS,
    methods::METHODS,
    methods::EXPECT,
    methods::PIPELINES,
    persistence::CONNECTIONS,
];

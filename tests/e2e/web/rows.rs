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

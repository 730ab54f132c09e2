//! What `locked` compares while a service compiles: the tables of a file, which the macro writes, and those of the service.
//!
//! The latter are arrays, whose lengths must be known first: [`Counts::of`] walks the schema once to count, [`Live::of`]
//! again to fill them.

use thrill_idl::breaking::same;
pub use thrill_idl::breaking::{
    Contract, Enum, EnumValue, Field, Function, NOWHERE, Report, Scratch, Service, Slice, Struct, Type,
};

use crate::schema;
pub use crate::schema::{Mode, Requiredness, StructKind};

/// Whether a difference is accepted by how the compiler was started: `UPDATE_IDL=1` is to write a file that is not there,
/// `UPDATE_IDL=breaking` whatever there is.
#[must_use]
pub const fn is_accepted(update: Option<&str>, is_there: bool) -> bool {
    match update {
        Some(update) => !is_there || same(update, "breaking"),
        None => false,
    }
}

/// A report as text, whose length it gave before.
#[must_use]
pub const fn text<const LEN: usize>(report: &Report<'_>, before: &str, after: &str) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    report.text(before, after, &mut bytes);
    bytes
}

/// The text of bytes that were text.
#[must_use]
pub const fn as_str(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "a name is not UTF-8",
    }
}

/// The most structs, and the most enums, that a locked service may reach.
const MOST: usize = 4096;

/// The named types that a service reaches, each once, in the order in which they are met.
struct Reached {
    structs: [Option<&'static schema::Struct>; MOST],
    enums: [Option<&'static schema::Enum>; MOST],
    counts: Counts,
}

/// How much there is of a service.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// The structs, unions and exceptions.
    pub structs: usize,
    /// The enums.
    pub enums: usize,
    /// The fields of all structs, arguments and exceptions.
    pub fields: usize,
    /// The values of all enums.
    pub values: usize,
    /// The types of elements.
    pub types: usize,
    /// The methods.
    pub methods: usize,
}

impl Counts {
    /// Counts.
    #[must_use]
    pub const fn of(service: &schema::Service) -> Self {
        Reached::by(service).counts
    }
}

impl Reached {
    const fn by(service: &schema::Service) -> Self {
        let counts = Counts { structs: 0, enums: 0, fields: 0, values: 0, types: 0, methods: service.methods.len() };
        let mut reached = Self { structs: [None; MOST], enums: [None; MOST], counts };
        let mut at = 0;
        while at < service.methods.len() {
            let method = &service.methods[at];
            reached.fields(method.arguments);
            reached.fields(method.throws);
            if let Some(result) = method.result {
                reached.ty(result);
            }
            at += 1;
        }
        at = 0;
        while at < reached.counts.structs {
            if let Some(it) = reached.structs[at] {
                reached.fields(it.fields);
            }
            at += 1;
        }
        reached
    }

    const fn fields(&mut self, fields: &[schema::Field]) {
        self.counts.fields += fields.len();
        let mut at = 0;
        while at < fields.len() {
            self.ty(fields[at].ty);
            at += 1;
        }
    }

    const fn ty(&mut self, ty: schema::Type) {
        match ty {
            schema::Type::List(element) | schema::Type::Set(element) => {
                self.counts.types += 1;
                self.ty(*element);
            }
            schema::Type::Map(key, value) => {
                self.counts.types += 2;
                self.ty(*key);
                self.ty(*value);
            }
            schema::Type::Struct(it) => self.structure(it.get()),
            schema::Type::Enum(it) => self.enumeration(it.get()),
            _ => {}
        }
    }

    const fn structure(&mut self, it: &'static schema::Struct) {
        if self.place_of_struct(it) == self.counts.structs {
            self.structs[self.counts.structs] = Some(it);
            self.counts.structs += 1;
        }
    }

    const fn enumeration(&mut self, it: &'static schema::Enum) {
        if self.place_of_enum(it) == self.counts.enums {
            self.enums[self.counts.enums] = Some(it);
            self.counts.enums += 1;
            self.counts.values += it.values.len();
        }
    }

    /// The struct's index, or that of the first free place.
    const fn place_of_struct(&self, it: &schema::Struct) -> usize {
        let mut at = 0;
        while at < self.counts.structs {
            if let Some(known) = self.structs[at] {
                if same(known.path, it.path) {
                    return at;
                }
            }
            at += 1;
        }
        assert!(at < MOST, "a locked service reaches at most 4096 structs");
        at
    }

    /// The enum's index, or that of the first free place.
    const fn place_of_enum(&self, it: &schema::Enum) -> usize {
        let mut at = 0;
        while at < self.counts.enums {
            if let Some(known) = self.enums[at] {
                if same(known.path, it.path) {
                    return at;
                }
            }
            at += 1;
        }
        assert!(at < MOST, "a locked service reaches at most 4096 enums");
        at
    }
}

/// A service of today as tables.
#[derive(Debug)]
pub struct Live<
    const STRUCTS: usize,
    const ENUMS: usize,
    const FIELDS: usize,
    const VALUES: usize,
    const TYPES: usize,
    const METHODS: usize,
> {
    package: &'static str,
    service: [Service<'static>; 1],
    functions: [Function<'static>; METHODS],
    structs: [Struct<'static>; STRUCTS],
    enums: [Enum<'static>; ENUMS],
    fields: [Field<'static>; FIELDS],
    values: [EnumValue<'static>; VALUES],
    types: [Type; TYPES],
}

/// What is written into [`Live`] next.
struct Fill<'r> {
    reached: &'r Reached,
    fields: usize,
    types: usize,
}

const NONE: Slice = Slice { start: 0, end: 0 };

impl<
    const STRUCTS: usize,
    const ENUMS: usize,
    const FIELDS: usize,
    const VALUES: usize,
    const TYPES: usize,
    const METHODS: usize,
> Live<STRUCTS, ENUMS, FIELDS, VALUES, TYPES, METHODS>
{
    /// Fills the tables; their lengths are the [`Counts`] of the same service. `package` is that of the streams' paths.
    #[must_use]
    pub const fn of(service: &schema::Service, package: &'static str) -> Self {
        const FIELD: Field<'static> =
            Field { id: 0, name: "", requiredness: Requiredness::Default, ty: Type::Erroneous, span: NOWHERE };
        let function = Function {
            name: "",
            mode: Mode::PingPong,
            oneway: false,
            arguments: NONE,
            result: None,
            throws: NONE,
            span: NOWHERE,
        };
        let functions = Slice { start: 0, end: METHODS };
        let mut live = Self {
            package,
            service: [Service { name: service.name, functions, span: NOWHERE }],
            functions: [function; METHODS],
            structs: [Struct { name: "", kind: StructKind::Struct, fields: NONE, span: NOWHERE }; STRUCTS],
            enums: [Enum { name: "", values: NONE, span: NOWHERE }; ENUMS],
            fields: [FIELD; FIELDS],
            values: [EnumValue { name: "", value: 0, span: NOWHERE }; VALUES],
            types: [Type::Erroneous; TYPES],
        };
        let reached = Reached::by(service);
        let mut fill = Fill { reached: &reached, fields: 0, types: 0 };
        let mut at = 0;
        while at < METHODS {
            live.functions[at] = live.function(&service.methods[at], &mut fill);
            at += 1;
        }
        at = 0;
        while at < STRUCTS {
            if let Some(it) = reached.structs[at] {
                let fields = live.fields(it.fields, &mut fill);
                live.structs[at] = Struct { name: it.name, kind: it.kind, fields, span: NOWHERE };
            }
            at += 1;
        }
        live.enums(&reached);
        live
    }

    /// The contract.
    #[must_use]
    pub const fn contract(&self) -> Contract<'_> {
        Contract {
            package: self.package,
            span: NOWHERE,
            services: &self.service,
            functions: &self.functions,
            structs: &self.structs,
            enums: &self.enums,
            fields: &self.fields,
            values: &self.values,
            types: &self.types,
        }
    }

    const fn function(&mut self, it: &schema::Method, fill: &mut Fill<'_>) -> Function<'static> {
        let result = match it.result {
            Some(ty) => Some(self.ty(ty, fill)),
            None => None,
        };
        Function {
            name: it.name,
            mode: it.mode,
            oneway: it.oneway,
            arguments: self.fields(it.arguments, fill),
            result,
            throws: self.fields(it.throws, fill),
            span: NOWHERE,
        }
    }

    const fn fields(&mut self, fields: &[schema::Field], fill: &mut Fill<'_>) -> Slice {
        let start = fill.fields;
        let mut at = 0;
        while at < fields.len() {
            let it = &fields[at];
            let ty = self.ty(it.ty, fill);
            self.fields[start + at] =
                Field { id: it.id, name: it.name, requiredness: it.requiredness, ty, span: NOWHERE };
            at += 1;
        }
        fill.fields += fields.len();
        Slice { start, end: fill.fields }
    }

    const fn enums(&mut self, reached: &Reached) {
        let (mut at, mut end) = (0, 0);
        while at < ENUMS {
            if let Some(it) = reached.enums[at] {
                let start = end;
                while end - start < it.values.len() {
                    let value = &it.values[end - start];
                    self.values[end] = EnumValue { name: value.name, value: value.value, span: NOWHERE };
                    end += 1;
                }
                self.enums[at] = Enum { name: it.name, values: Slice { start, end }, span: NOWHERE };
            }
            at += 1;
        }
    }

    const fn ty(&mut self, ty: schema::Type, fill: &mut Fill<'_>) -> Type {
        match ty {
            schema::Type::Bool => Type::Bool,
            schema::Type::I8 => Type::I8,
            schema::Type::I16 => Type::I16,
            schema::Type::I32 => Type::I32,
            schema::Type::I64 => Type::I64,
            schema::Type::Double => Type::Double,
            schema::Type::String => Type::String,
            schema::Type::Binary => Type::Binary,
            schema::Type::Uuid => Type::Uuid,
            schema::Type::List(element) => Type::List(self.element(*element, fill)),
            schema::Type::Set(element) => Type::Set(self.element(*element, fill)),
            schema::Type::Map(key, value) => Type::Map(self.element(*key, fill), self.element(*value, fill)),
            schema::Type::Struct(it) => Type::Struct(fill.reached.place_of_struct(it.get())),
            schema::Type::Enum(it) => Type::Enum(fill.reached.place_of_enum(it.get())),
            schema::Type::Erroneous => Type::Erroneous,
        }
    }

    const fn element(&mut self, ty: schema::Type, fill: &mut Fill<'_>) -> usize {
        let ty = self.ty(ty, fill);
        self.types[fill.types] = ty;
        fill.types += 1;
        fill.types - 1
    }
}

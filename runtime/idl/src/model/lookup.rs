//! Questions to a program.

use super::{
    Const, ConstId, Enum, EnumId, EnumValue, Field, File, Function, ItemId, Mode, Namespace, Program, Service,
    ServiceId, Struct, StructId, StructKind, Type, TypeKind,
};
use crate::span::FileId;

impl Program {
    /// The file that was asked for.
    ///
    /// # Panics
    /// If the program has no files, which no loader returns.
    #[must_use]
    pub fn root(&self) -> &File {
        &self.files[0]
    }

    /// The type behind all typedefs.
    #[must_use]
    pub fn underlying<'a>(&'a self, ty: &'a Type) -> &'a Type {
        let mut ty = ty;
        while let TypeKind::Typedef(id) = ty.kind {
            ty = &self[id].ty;
        }
        ty
    }

    /// The struct that a type is, if it is one.
    #[must_use]
    pub fn as_struct(&self, ty: &Type) -> Option<StructId> {
        match self.underlying(ty).kind {
            TypeKind::Struct(id) => Some(id),
            _ => None,
        }
    }

    /// A definition of a file by its name there.
    #[must_use]
    pub fn find(&self, file: FileId, name: &str) -> Option<ItemId> {
        self.files.get(file.index())?.names.get(name).copied()
    }

    /// A struct, union or exception of a file by its name.
    #[must_use]
    pub fn find_struct(&self, file: FileId, name: &str) -> Option<StructId> {
        match self.find(file, name)? {
            ItemId::Struct(id) => Some(id),
            _ => None,
        }
    }

    /// An enum of a file by its name.
    #[must_use]
    pub fn find_enum(&self, file: FileId, name: &str) -> Option<EnumId> {
        match self.find(file, name)? {
            ItemId::Enum(id) => Some(id),
            _ => None,
        }
    }

    /// A constant of a file by its name.
    #[must_use]
    pub fn find_const(&self, file: FileId, name: &str) -> Option<ConstId> {
        match self.find(file, name)? {
            ItemId::Const(id) => Some(id),
            _ => None,
        }
    }

    /// A service of a file by its name.
    #[must_use]
    pub fn find_service(&self, file: FileId, name: &str) -> Option<ServiceId> {
        match self.find(file, name)? {
            ItemId::Service(id) => Some(id),
            _ => None,
        }
    }

    /// A service, the one that it extends, the one that this extends, and so on.
    pub fn lineage(&self, service: ServiceId) -> impl Iterator<Item = ServiceId> {
        std::iter::successors(Some(service), |id| self[*id].extends)
    }

    /// The functions of a service, the inherited ones first, each with the service that declares it.
    pub fn functions(&self, service: ServiceId) -> impl Iterator<Item = (ServiceId, &Function)> {
        let mut lineage: Vec<ServiceId> = self.lineage(service).collect();
        lineage.reverse();
        lineage.into_iter().flat_map(|id| self[id].functions.iter().map(move |function| (id, function)))
    }

    /// The HTTP/2 path on which Kitex expects a function of a service, also an inherited one: `/package.Service/function`.
    #[must_use]
    pub fn path(&self, service: ServiceId, function: &Function) -> String {
        let Service { file, name, .. } = &self[service];
        format!("/{}.{name}/{}", self[*file].package(), function.name)
    }
}

impl File {
    /// The namespace of exactly this scope.
    #[must_use]
    pub fn namespace(&self, scope: &str) -> Option<&Namespace> {
        self.namespaces.iter().find(|namespace| namespace.scope == scope)
    }

    /// The namespace for a language: its own, or else that of `*`.
    #[must_use]
    pub fn namespace_for(&self, language: &str) -> Option<&str> {
        let namespace = self.namespace(language).or_else(|| self.namespace("*"))?;
        Some(&namespace.name)
    }

    /// The file's name up to its last dot: what names of this file begin with where it is included.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    /// The package of this file's services in the paths of streams, as Kitex computes it: the last part of the namespace
    /// for `go`, or else of the file's name, in small letters.
    ///
    /// ```
    /// use thrill_idl::{Options, load_str};
    ///
    /// let package = |text: &str| load_str("My-File.thrift", text, &Options::default()).program.root().package();
    /// assert_eq!(package("namespace go demo.Echo namespace * other"), "echo");
    /// assert_eq!(package("namespace * demo.Echo namespace rs other"), "echo");
    /// assert_eq!(package(""), "my-file");
    /// ```
    #[must_use]
    pub fn package(&self) -> String {
        match self.namespace_for("go") {
            Some(name) => name.rsplit('.').next().unwrap_or_default().to_lowercase(),
            None => self.stem().to_lowercase(),
        }
    }
}

impl Struct {
    /// A field by its name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Whether it is a union.
    #[must_use]
    pub fn is_union(&self) -> bool {
        self.kind == StructKind::Union
    }

    /// Whether it is an exception.
    #[must_use]
    pub fn is_exception(&self) -> bool {
        self.kind == StructKind::Exception
    }
}

impl Enum {
    /// The value with a number: the first of them, whose name is that number's.
    #[must_use]
    pub fn value(&self, number: i32) -> Option<&EnumValue> {
        self.values.iter().find(|value| value.value == number)
    }

    /// The value with a name.
    #[must_use]
    pub fn value_named(&self, name: &str) -> Option<&EnumValue> {
        self.values.iter().find(|value| value.name == name)
    }
}

impl Service {
    /// An own function by its name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }
}

impl Function {
    /// Whether it streams, also as [`Mode::Unary`].
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.mode != Mode::PingPong
    }
}

impl Const {
    /// Whether the value has other values in it.
    #[must_use]
    pub fn is_structured(&self) -> bool {
        use super::Value::{List, Map, Set, Struct};
        matches!(self.value, List(_) | Set(_) | Map(_) | Struct(..))
    }
}

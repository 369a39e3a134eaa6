/** Reading an OpenAPI 3 document: references, operations, schemas as text, examples. Nothing here touches the page. */

const METHODS = ["get", "post", "put", "patch", "delete"];
const DEEPEST = 6;

export class Description {
  constructor(document) {
    this.document = document;
  }

  /** Follow `$ref` until there is none. */
  resolve(node) {
    let found = node ?? {};
    while (found.$ref) {
      const path = found.$ref.replace(/^#\//, "").split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
      found = path.reduce((place, key) => place?.[key], this.document) ?? {};
    }
    return found;
  }

  /** -> [{ tag, about, operations }] in the order of the document's tags, then of first use. */
  groups() {
    const groups = new Map((this.document.tags ?? []).map((tag) => [tag.name, { tag: tag.name, about: tag.description, operations: [] }]));
    for (const operation of this.operations()) {
      const tag = operation.tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, { tag, operations: [] });
      groups.get(tag).operations.push(operation);
    }
    return [...groups.values()].filter((group) => group.operations.length);
  }

  /** Every operation, its references followed as deep as the reference page needs them. */
  operations() {
    return Object.entries(this.document.paths ?? {}).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]).map((method) => {
        const operation = item[method];
        const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((p) => this.resolve(p));
        const id = `${method}-${path}`.replace(/[^a-z0-9]+/gi, "-").replace(/-$/, "");
        return { ...operation, id, path, method, parameters, body: this.resolve(operation.requestBody) };
      }));
  }

  /** "integer, 32 to 2048", "array of string", "\"json\" | \"mask\"", "Result". */
  typeName(schema) {
    if (!schema) return "any";
    if (schema.$ref) return schema.$ref.split("/").at(-1);
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices) return choices.map((choice) => this.typeName(choice)).join(" | ");
    if (schema.allOf) return schema.allOf.map((part) => this.typeName(part)).join(" & ");
    if (schema.type === "array") return `array of ${this.typeName(schema.items)}`;
    if (schema.format === "binary" || schema.contentMediaType) return "bytes";
    const type = [schema.type ?? (schema.properties ? "object" : "any")].flat().join(" | ");
    return type + limits(schema);
  }

  /** A schema as indented text: one line a property, nested ones below it. */
  outline(schema, indent = "", open = []) {
    const whole = this.resolve(schema);
    if (whole.allOf) return whole.allOf.map((part) => this.outline(part, indent, open)).join("\n");
    if (whole.type === "array") return this.outline(whole.items, indent, open);
    return Object.entries(whole.properties ?? {}).map(([name, property]) => {
      const optional = whole.required?.includes(name) ? "" : "?";
      const about = property.description ?? this.resolve(property).description;
      const line = `${indent}${name}${optional}: ${this.typeName(property)}${about ? `  — ${about}` : ""}`;
      const inner = this.#inside(property);
      const known = open.includes(inner) || open.length >= DEEPEST;
      const below = inner && !known ? this.outline(inner, `${indent}    `, [...open, inner]) : "";
      return below ? `${line}\n${below}` : line;
    }).join("\n");
  }

  /** The object schema that a property is, or is an array or a choice of; undefined for plain values. */
  #inside(property) {
    const schema = this.resolve(property);
    if (schema.properties || schema.allOf) return schema;
    const inner = schema.items ?? (schema.anyOf ?? schema.oneOf)?.find((choice) => this.#inside(choice));
    if (inner) return this.#inside(inner);
    return typeof schema.additionalProperties === "object" ? this.#inside(schema.additionalProperties) : undefined;
  }

  /** A value that fits the schema, for request examples. */
  example(schema) {
    const whole = this.resolve(schema);
    if (whole.example !== undefined) return whole.example;
    if (whole.examples?.length) return whole.examples[0];
    if (whole.default !== undefined) return whole.default;
    if (whole.const !== undefined) return whole.const;
    if (whole.enum) return whole.enum[0];
    const choice = (whole.anyOf ?? whole.oneOf)?.[0];
    if (choice) return this.example(choice);
    if (whole.properties) {
      const wanted = Object.entries(whole.properties).filter(([name]) => !whole.required || whole.required.includes(name));
      return Object.fromEntries(wanted.map(([name, property]) => [name, this.example(property)]));
    }
    if (whole.type === "array") return [this.example(whole.items)];
    return { integer: 1, number: 0.5, boolean: true, object: {} }[whole.type] ?? "…";
  }

  /** A command line that calls the operation on `base`. Required parameters, and those that have an example. */
  curl(operation, base) {
    const { method, parameters, body } = operation;
    const parts = [`curl ${quote(address(operation, base, (p) => this.#value(p)))}`];
    if (method !== "get" && !body.content) parts[0] = parts[0].replace("curl", `curl -X ${method.toUpperCase()}`);
    for (const parameter of parameters.filter((p) => p.in === "header" && p.required)) {
      parts.push(`-H ${quote(`${parameter.name}: ${this.#value(parameter)}`)}`);
    }
    if (body.content) parts.push(...this.#curlBody(body.content));
    return parts.join(" \\\n  ");
  }

  #value(parameter) {
    if (parameter.example !== undefined) return parameter.example;
    const schema = this.resolve(parameter.schema);
    if (parameter.required) return schema.example ?? schema.default ?? schema.enum?.[0] ?? parameter.name.toUpperCase();
    return schema.example;
  }

  #curlBody(content) {
    const type = rawType(content) ?? Object.keys(content)[0];
    if (rawType(content)) return ["-H 'Content-Type: image/jpeg'", "--data-binary @photo.jpg"];
    const schema = this.resolve(content[type].schema);
    if (type.startsWith("multipart/")) {
      const fields = Object.entries(schema.properties ?? {}).filter(([name]) => !schema.required || schema.required.includes(name));
      return fields.map(([name, field]) => `-F ${quote(`${name}=${isBytes(this.resolve(field)) ? "@photo.jpg" : this.example(field)}`)}`);
    }
    const value = content[type].example ?? this.example(content[type].schema);
    return [`-H ${quote(`Content-Type: ${type}`)}`, `-d ${quote(typeof value === "string" ? value : JSON.stringify(value))}`];
  }
}

/** The media type under which the body is the picture itself, if there is one. */
export function rawType(content = {}) {
  return Object.keys(content).find((type) => type.startsWith("image/") || type === "application/octet-stream" || type === "*/*");
}

/** The address of an operation; `value(parameter)` gives what to fill in, undefined or "" = leave it out. */
export function address({ path, parameters }, base, value) {
  let filled = path;
  const query = new URLSearchParams();
  for (const parameter of parameters) {
    const given = value(parameter);
    if (parameter.in === "path") filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(given ?? ""));
    else if (parameter.in === "query" && given !== undefined && given !== "") query.set(parameter.name, given);
  }
  const tail = query.toString();
  return new URL(filled.replace(/^\//, "") + (tail ? `?${tail}` : ""), base).href;
}

const isBytes = (schema) => schema.format === "binary" || Boolean(schema.contentMediaType);

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function limits({ minimum, maximum, minLength, maxLength }) {
  const low = minimum ?? minLength;
  const high = maximum ?? maxLength;
  const unit = minLength ?? maxLength ? " characters" : "";
  if (low !== undefined && high !== undefined) return `, ${low} to ${high}${unit}`;
  if (low !== undefined) return `, at least ${low}${unit}`;
  return high === undefined ? "" : `, at most ${high}${unit}`;
}

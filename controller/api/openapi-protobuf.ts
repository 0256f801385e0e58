/**
 * OpenAPI v2 as Protocol Buffers, the one form in which kubectl before 1.27 reads it: the messages of openapi.v2 in gnostic's
 * OpenAPIv2.proto, as far as openapi.ts uses them. The numbers are that file's field numbers.
 */

import type { OpenApiV2 } from './openapi.ts';
import type { Definition } from './openapi-definitions.ts';

const VARINT = 0;
const DOUBLE = 1;
const BYTES = 2;

/** The fields of one message, in the order in which they were put. */
class Message {
  readonly #parts: Buffer[] = [];

  text(field: number, value: unknown): this {
    if (typeof value === 'string' && value !== '') this.#bytes(field, Buffer.from(value));
    return this;
  }

  texts(field: number, values: readonly unknown[] = []): this {
    for (const value of values) this.text(field, value);
    return this;
  }

  flag(field: number, value: unknown): this {
    if (value === true) this.#parts.push(varint((field << 3) | VARINT), varint(1));
    return this;
  }

  double(field: number, value: number | undefined): this {
    if (value === undefined) return this;
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    this.#parts.push(varint((field << 3) | DOUBLE), bytes);
    return this;
  }

  message(field: number, value: Message | undefined): this {
    if (value) this.#bytes(field, value.end());
    return this;
  }

  messages(field: number, values: readonly Message[]): this {
    for (const value of values) this.message(field, value);
    return this;
  }

  end(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #bytes(field: number, bytes: Buffer): void {
    this.#parts.push(varint((field << 3) | BYTES), varint(bytes.length), bytes);
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

export function encodeOpenApi(document: OpenApiV2): Buffer {
  const info = new Message().text(1, document.info.title).text(2, document.info.version);
  const paths = Object.entries(document.paths).map(([url, methods]) => named(url, pathItem(methods)));
  return new Message()
    .text(1, document.swagger)
    .message(2, info)
    .message(8, new Message().messages(2, paths))
    .message(9, schemas(document.definitions))
    .end();
}

function named(name: string, value: Message): Message {
  return new Message().text(1, name).message(2, value);
}

const METHOD_FIELDS: Record<string, number> = { get: 2, put: 3, post: 4, delete: 5, patch: 8 };

function pathItem(methods: Record<string, Record<string, unknown>>): Message {
  const item = new Message();
  for (const [method, field] of Object.entries(METHOD_FIELDS)) {
    const operation = methods[method];
    if (operation) item.message(field, operationMessage(operation));
  }
  return item;
}

function operationMessage(operation: Record<string, unknown>): Message {
  const responses = operation['responses'] as Record<string, { description: string; schema: Definition }>;
  const answers = Object.entries(responses).map(([code, { description, schema }]) => {
    const response = new Message()
      .text(1, description)
      .message(2, new Message().message(1, schemaMessage(schema)));
    return named(code, new Message().message(1, response));
  });
  return new Message()
    .text(3, operation['description'])
    .text(5, operation['operationId'])
    .texts(6, operation['produces'] as string[])
    .texts(7, operation['consumes'] as string[])
    .messages(8, (operation['parameters'] as Record<string, unknown>[]).map(parameterMessage))
    .message(9, new Message().messages(1, answers))
    .messages(13, extensions(operation));
}

function parameterMessage(parameter: Record<string, unknown>): Message {
  return new Message().message(
    1,
    parameter['in'] === 'body' ? bodyParameter(parameter) : plainParameter(parameter),
  );
}

function bodyParameter({ description, name, required, schema }: Record<string, unknown>): Message {
  const body = new Message()
    .text(1, description)
    .text(2, name)
    .text(3, 'body')
    .flag(4, required)
    .message(5, schemaMessage(schema as Definition));
  return new Message().message(1, body);
}

function plainParameter({ description, name, required, type, in: place }: Record<string, unknown>): Message {
  const plain = new Message().flag(1, required).text(2, place).text(3, description).text(4, name);
  const isQuery = place === 'query';
  // The two differ in where the type stands, and in their own number.
  const item = plain.text(isQuery ? 6 : 5, type);
  return new Message().message(2, new Message().message(isQuery ? 3 : 4, item));
}

function schemas(definitions: Record<string, Definition>): Message {
  const entries = Object.entries(definitions).map(([name, schema]) => named(name, schemaMessage(schema)));
  return new Message().messages(1, entries);
}

function schemaMessage(schema: Definition): Message {
  const { additionalProperties, items, properties } = schema;
  return new Message()
    .text(1, schema.$ref)
    .text(2, schema.format)
    .text(4, schema.description)
    .double(7, schema.maximum)
    .double(9, schema.minimum)
    .text(13, schema.pattern)
    .texts(19, schema.required)
    .messages(20, (schema.enum ?? []).map(anyMessage))
    .message(21, additionalProperties && new Message().message(1, schemaMessage(additionalProperties)))
    .message(22, schema.type === undefined ? undefined : new Message().text(1, schema.type))
    .message(23, items && new Message().message(1, schemaMessage(items)))
    .message(25, properties && schemas(properties))
    .messages(31, extensions(schema as Record<string, unknown>));
}

function extensions(value: Record<string, unknown>): Message[] {
  return Object.entries(value)
    .filter(([key]) => key.startsWith('x-'))
    .map(([key, content]) => named(key, anyMessage(content)));
}

/** A value of any type goes as YAML, which JSON is. */
function anyMessage(value: unknown): Message {
  return new Message().text(2, JSON.stringify(value));
}

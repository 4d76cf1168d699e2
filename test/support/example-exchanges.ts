import type { OpenAPIObject } from '@nestjs/swagger';
import { Ajv, type ValidateFunction } from 'ajv';
import type { Response, Test } from 'supertest';
import { openApiExamples, type OperationExamples } from '../../src/http/openapi-examples.js';
import type { TestService } from './app.js';

/** What is sent to one operation. Parameters of the path and the query are given together, by name. */
export interface Asked {
  parameters?: Record<string, string>;
  headers?: Record<string, string>;
  /** JSON, or the text of another `type` */
  body?: unknown;
  /** media type of a body that is no JSON */
  type?: string;
  /** media type that is asked for */
  accept?: string;
  key?: string;
}

/** Answers of which no example can stand in a document of text, and pages that are made for eyes alone. */
const NO_TEXT =
  /^(application\/(schema\+json|zip|octet-stream|timestamp-reply|vnd\.openxmlformats-officedocument\.spreadsheetml\.sheet)|text\/html|\*\/\*)$/;
const PROBLEM = 'application/problem+json';
const DAY = /^\d{4}-\d{2}-\d{2}$/;

interface Operation {
  method: 'get' | 'post' | 'put' | 'delete';
  path: string;
  parameters: { name: string; in: string }[];
  requestBody?: { content: Record<string, unknown> };
  responses: Record<string, { content?: Record<string, { schema?: object }> }>;
}

/** Sends the examples of the OpenAPI document, one after the other, and holds them and what comes back against it. */
export class ExampleExchanges {
  private readonly operations = new Map<string, Operation>();
  private readonly ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  /** as they were sent and answered this time, by operation */
  readonly seen: Record<string, OperationExamples> = {};
  /** what stands in the examples of the document where another value came today */
  private readonly today = new Map<string, string>();
  readonly differences: string[] = [];
  private readonly examples: Readonly<Record<string, OperationExamples>>;

  constructor(
    private readonly service: TestService,
    document: OpenAPIObject,
    private readonly isMadeAnew: boolean,
  ) {
    this.examples = isMadeAnew ? {} : openApiExamples();
    this.ajv.addSchema({ $id: 'openapi', components: document.components });
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, described] of Object.entries(methods as Record<string, object>)) {
        const { operationId, ...operation } = described as Operation & { operationId: string };
        this.operations.set(operationId, { ...operation, method: method as Operation['method'], path });
      }
    }
  }

  /** What the document has and nobody sent or answered, in words. */
  get missing(): string[] {
    return [...this.operations].flatMap(([id, { requestBody, responses }]) => {
      const examples = this.seen[id];
      if (!examples) return [`${id} was not sent`];
      const requests = Object.keys(requestBody?.content ?? {}).filter((type) => !(type in (examples.request ?? {})));
      const answers = Object.entries(responses)
        .filter(([status]) => status < '300')
        .flatMap(([status, { content = {} }]) =>
          Object.keys(content)
            .filter((type) => !NO_TEXT.test(type) && !(type in (examples.answers[status] ?? {})))
            .map((type) => `${status} ${type}`),
        );
      return [...requests.map((type) => `${id}: no body of ${type}`), ...answers.map((each) => `${id}: no ${each}`)];
    });
  }

  /** Sends an example and resolves with the answer, which must have `status`. */
  async send(operationId: string, status: number, asked: Asked = {}): Promise<Response> {
    const operation = this.operations.get(operationId);
    if (!operation) throw new Error(`there is no operation ${operationId}`);
    const answer = await this.request(operation, asked);
    if (answer.status !== status) {
      throw new Error(`${operationId} answered ${answer.status} where ${status} was due: ${answer.text}`);
    }
    const type = answer.headers['content-type']?.split(';')[0] ?? '';
    const given = answer.body as unknown;
    const body = /[/+]json$/.test(type) ? given : Buffer.isBuffer(given) ? given.toString() : answer.text;
    if (type !== PROBLEM && !NO_TEXT.test(type))
      this.validate(operationId, operation.responses[String(status)]?.content?.[type]?.schema, body);
    const mine = (this.seen[operationId] ??= { answers: {} });
    const example = this.examples[operationId];
    // what is sent and answered first is the example; the rest makes ready for others
    if (asked.parameters) mine.parameters = { ...asked.parameters, ...mine.parameters };
    const sent = asked.type ?? 'application/json';
    if (asked.body !== undefined && !(sent in (mine.request ?? {}))) {
      (mine.request ??= {})[sent] = asked.body;
      if (!this.isMadeAnew) this.requireSame(`${operationId}: ${sent}`, example?.request?.[sent], asked.body);
    }
    const answers = (mine.answers[String(status)] ??= {});
    if (status < 300 && !NO_TEXT.test(type) && type !== '' && !(type in answers)) {
      answers[type] = shortened(body);
      if (!this.isMadeAnew)
        this.walk(`${operationId} ${status} ${type}: `, example?.answers[String(status)]?.[type], body);
    }
    return answer;
  }

  private request(
    operation: Operation,
    { parameters = {}, headers = {}, body, type, accept, key }: Asked,
  ): Promise<Response> {
    const names = new Map(operation.parameters?.map((each) => [each.name, each.in]));
    const inPath = [...operation.path.matchAll(/\{(.+?)\}/g)].map(([, name]) => name!);
    for (const name of [...inPath, ...Object.keys(parameters)]) {
      if (!names.has(name)) throw new Error(`${operation.path} has no parameter ${name}`);
    }
    const query = Object.fromEntries(Object.entries(parameters).filter(([name]) => names.get(name) === 'query'));
    const path = operation.path.replace(/\{(.+?)\}/g, (_, name: string) =>
      name === 'path' ? parameters[name]! : encodeURIComponent(parameters[name]!),
    );
    let sent: Test = this.service.http(key)[operation.method](path).query(query).set(headers).buffer(true);
    if (accept !== undefined) sent = sent.set('accept', accept);
    if (type !== undefined) sent = sent.set('content-type', type);
    return body === undefined ? sent : sent.send(body as object);
  }

  private readonly validators = new Map<object, ValidateFunction>();

  private validate(operationId: string, schema: object | undefined, body: unknown): void {
    if (schema === undefined) return;
    let validator = this.validators.get(schema);
    if (!validator) {
      const text = JSON.stringify(schema).replaceAll('"#/components/', '"openapi#/components/');
      validator = this.ajv.compile(JSON.parse(text) as object);
      this.validators.set(schema, validator);
    }
    if (validator(body)) return;
    for (const { instancePath, message, params } of validator.errors ?? [])
      this.differences.push(`${operationId}: ${instancePath} ${message} ${JSON.stringify(params)}`);
  }

  /** An answer's example has the members, types and constants of the answer of today; its other values are replaced by those of today from here on. */
  private walk(at: string, example: unknown, now: unknown): void {
    const kind = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);
    if (kind(example) !== kind(now)) {
      this.differences.push(`${at}: ${kind(now)} where the example has ${kind(example)}`);
    } else if (Array.isArray(example) && Array.isArray(now)) {
      if (example.length > 0 !== now.length > 0)
        this.differences.push(`${at}: ${now.length} items, the example ${example.length}`);
      for (let i = 0; i < Math.min(example.length, now.length); i++) this.walk(`${at}/${i}`, example[i], now[i]);
    } else if (kind(example) === 'object') {
      const [before, after] = [example, now] as Record<string, unknown>[];
      const names = new Set([...Object.keys(before!), ...Object.keys(after!)]);
      for (const name of names) {
        if (name in before! && name in after!) this.walk(`${at}/${name}`, before![name], after![name]);
        else this.differences.push(`${at}: ${name} is only in ${name in before! ? 'the example' : 'the answer'}`);
      }
    } else if (typeof example === 'string' && example !== now) {
      this.today.set(example, now as string);
    }
  }

  private requireSame(at: string, example: unknown, sent: unknown): void {
    const replaced = (value: unknown): unknown =>
      typeof value === 'string'
        ? DAY.test(value)
          ? (this.today.get(value) ?? value) // the first day of a month that goes with the calendar
          : [...this.today].reduce(
              (text, [before, now]) => (before.length < 12 ? text : text.replaceAll(before, now)),
              value,
            )
        : Array.isArray(value)
          ? value.map(replaced)
          : value !== null && typeof value === 'object'
            ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, replaced(each)]))
            : value;
    const [due, is] = [replaced(example), sent].map((each) => JSON.stringify(each));
    if (due !== is) this.differences.push(`${at}: sent ${is}, the example is ${due}`);
  }
}

const MAX_ITEMS = 3;
const MAX_TEXT = 4_000;
/** In the place of an API key; it is longer than one, and so none for those who search for secrets. */
const NO_KEY = 'tt_bm90IGEga2V5LCBqdXN0IGFuIGV4YW1wbGUgb2Ygb25l';

/** What is shown of an answer: no key, and of a long one its first items and lines. */
function shortened(value: unknown): unknown {
  if (typeof value === 'string') {
    const text = value.replace(/^tt_[\w-]{43}$/, NO_KEY);
    return text.length <= MAX_TEXT ? text : text.slice(0, text.lastIndexOf('\n', MAX_TEXT) + 1);
  }
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map(shortened);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shortened(each)]));
}

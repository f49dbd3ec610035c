/**
 * What a route of the API is. It says who may call it, the schema of what it takes, what it answers with, and how it runs. The schema
 * checks a request before the route runs.
 */
import type { ServerResponse } from 'node:http';
import type * as z from 'zod';
import type { Caller } from '../../core/access-ports.ts';
import type { Action, Principal } from '../../core/commands.ts';
import type { WebSession } from '../identity.ts';
import type { LongAnswers } from '../long-answers.ts';
import type { AnswerName, Answers } from '../openapi/answer-types.ts';
import type { Packing } from '../packing.ts';
import { parsed } from '../request-words.ts';
import { JSON_TYPE, sendJson } from '../respond.ts';
import type { SharedText } from '../shared-text.ts';
import type { AdminTarget } from '../target.ts';

export type Method = 'GET' | 'POST';

/** One call of a route. */
export interface Call {
  readonly target: AdminTarget;
  readonly by: Principal;
  readonly caller: Caller;
  /** Absent: the door has no sessions. */
  readonly session: WebSession | undefined;
  readonly res: ServerResponse;
  /** Whether the session or the token behind the call still holds; absent: it cannot end. */
  readonly holds: (() => boolean) | undefined;
  /** The long answers of the door by which the call came. */
  readonly long: LongAnswers;
  readonly packing: Packing;
  /** The state of the gateway, as JSON. */
  status(): SharedText;
  /** The page of metrics. */
  metrics(): Buffer;
}

/**
 * `needs`: the permission is looked at before the route runs. `commands`: the route asks the command port, which decides, and whose
 * audit shows what was asked for.
 */
type Permit = { readonly needs: Action } | { readonly commands: Action };

interface Described {
  readonly path: string;
  /** What it does, in a few sentences. */
  readonly says: string;
  /** A query or a body for the reference page. */
  readonly example?: object | undefined;
  /** Bytes of a body that is larger than others may be. Few are read at one time. */
  readonly longest?: number | undefined;
  /** The answer is compressed for those who accept it: it holds no secret, and nothing that a reader may not know. */
  readonly packs?: true | undefined;
}

/** What a good answer is: one JSON object, lines of JSON, or a text. */
export interface AnswerForm {
  /** Media types. */
  readonly types: readonly string[];
  /** Its schema, or that of each line; undefined: a text. */
  readonly schema?: AnswerName | undefined;
  /** Other statuses that have the same schema. */
  readonly statuses?: readonly number[] | undefined;
}

type Spec<S extends z.ZodType | undefined> = Described &
  Permit &
  /** A GET takes a query, whose values are texts. A POST takes a body. */
  ({ readonly method: 'GET'; readonly query?: S } | { readonly method: 'POST'; readonly body?: S });

type Input<S> = S extends z.ZodType ? z.output<S> : undefined;

/** One line of the list of permissions. */
export interface Permission {
  readonly method: Method;
  readonly path: string;
  readonly action: Action;
  readonly kind: 'needs' | 'commands';
}

export interface Route extends Described, Permission {
  readonly answers: AnswerForm;
  readonly input: z.ZodType | undefined;
  /** Checks what came with the request. @returns what then answers. @throws HttpError request-invalid */
  begin(raw: Readonly<Record<string, unknown>>): (call: Call) => Promise<void>;
}

/** A route whose answer is one JSON object. */
export function jsonRoute<A extends AnswerName, S extends z.ZodType | undefined = undefined>(
  spec: Spec<S> & { readonly answer: A; readonly run: (input: Input<S>, call: Call) => Answers[A] | Promise<Answers[A]> },
): Route {
  const { run, answer, packs } = spec;
  return made<S>(spec, { types: [JSON_TYPE], schema: answer }, async (input, call) => {
    const body = await run(input, call);
    if (packs === true) await call.packing.json(call.res, body);
    else sendJson(call.res, 200, body);
  });
}

/** A route that writes its answer itself. */
export function writingRoute<S extends z.ZodType | undefined = undefined>(
  spec: Spec<S> & { readonly answers: AnswerForm; readonly run: (input: Input<S>, call: Call) => void | Promise<void> },
): Route {
  const { run, answers } = spec;
  return made<S>(spec, answers, async (input, call) => run(input, call));
}

function made<S extends z.ZodType | undefined>(
  spec: Spec<S>,
  answers: AnswerForm,
  run: (input: Input<S>, call: Call) => Promise<void>,
): Route {
  const { method, path, says, example, longest, packs } = spec;
  const input = spec.method === 'GET' ? spec.query : spec.body;
  const permit =
    'needs' in spec ? ({ action: spec.needs, kind: 'needs' } as const) : ({ action: spec.commands, kind: 'commands' } as const);
  return {
    ...{ method, path, says, example, longest, packs, answers, input, ...permit },
    begin(raw) {
      const asked = parsed(input, raw, method === 'GET' ? 'query' : 'body') as Input<S>;
      return (call) => run(asked, call);
    },
  };
}

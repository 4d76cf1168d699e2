import { isDatabaseUnavailable, isLoginRefused } from './availability.js';

const failure = (code: string | undefined, message = 'no'): Error => Object.assign(new Error(message), { code });

it.each<[string, Error, { isUnavailable: boolean; isRefused: boolean }]>([
  ['nobody listens', failure('ECONNREFUSED'), { isUnavailable: true, isRefused: false }],
  ['it starts up', failure('57P03'), { isUnavailable: true, isRefused: false }],
  ['it has no connections left', failure('53300'), { isUnavailable: true, isRefused: false }],
  ['it does not answer in time', failure(undefined, 'timeout expired'), { isUnavailable: true, isRefused: false }],
  ['a wrong password', failure('28P01'), { isUnavailable: true, isRefused: true }],
  ['a login that may not log in', failure('28000'), { isUnavailable: true, isRefused: true }],
  ['a database that is not there', failure('3D000'), { isUnavailable: true, isRefused: true }],
  ['a certificate that has run out', failure('CERT_HAS_EXPIRED'), { isUnavailable: true, isRefused: true }],
  ['a certificate of nobody', failure('DEPTH_ZERO_SELF_SIGNED_CERT'), { isUnavailable: true, isRefused: true }],
  ['another name', failure('ERR_TLS_CERT_ALTNAME_INVALID'), { isUnavailable: true, isRefused: true }],
  ['a right that is lacking', failure('42501'), { isUnavailable: false, isRefused: false }],
  ['a value that is not unique', failure('23505'), { isUnavailable: false, isRefused: false }],
  ['a mistake of ours', new TypeError('x is not a function'), { isUnavailable: false, isRefused: false }],
])('%s', (_, error, { isUnavailable, isRefused }) => {
  expect([isDatabaseUnavailable(error), isLoginRefused(error)]).toEqual([isUnavailable, isRefused]);
});

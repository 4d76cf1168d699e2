import { adviceOn } from './advice.js';

const failure = (more: object): Error => Object.assign(new Error('x'), more);

describe('what an operator can do', () => {
  it.each<[string, Error, RegExp]>([
    ['a server that is not there', failure({ code: 'ECONNREFUSED' }), /DATABASE_URL/],
    ['one that has several addresses', new AggregateError([failure({ code: 'ECONNREFUSED' })]), /DATABASE_URL/],
    ['a standby', failure({ code: '25006' }), /primary/],
    ['a login that is not the owner', failure({ code: '42501' }), /DATABASE_OWNER_URL/],
    ['a file that is not there', failure({ code: 'ENOENT', path: '/etc/ca.crt' }), /\/etc\/ca\.crt.*sslrootcert/],
    ['a full disk', failure({ code: 'ENOSPC' }), /DATA_DIR/],
  ])('about %s is said', (_, error, expected) => {
    expect(adviceOn(error, 'command')).toMatch(expected);
  });

  it('never has the service take the login of the owner', () => {
    expect(adviceOn(failure({ code: '42501' }), 'service')).not.toContain('OWNER');
  });

  it('is not made up', () => {
    for (const error of [new Error('x'), failure({ code: 'XX000' }), failure({ code: 'ENOENT' }), undefined, 'x'])
      expect(adviceOn(error, 'command')).toBeUndefined();
  });
});

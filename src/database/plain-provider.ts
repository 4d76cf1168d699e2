import type { FactoryProvider, InjectionToken } from '@nestjs/common';

/**
 * A provider of a class that knows nothing of Nest, because threads use it too and would load all of Nest for it.
 * `tokens` are those of its constructor's parameters, in their order.
 */
export function plainProvider<T, Given extends unknown[]>(
  type: new (...given: Given) => T,
  tokens: { [At in keyof Given]: InjectionToken },
): FactoryProvider<T> {
  return { provide: type, inject: tokens, useFactory: (...given: unknown[]) => new type(...(given as Given)) };
}

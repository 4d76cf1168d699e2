import { Module } from '@nestjs/common';
import { EventsModule } from '../events/events.module.js';
import { AccessHook } from './access.hook.js';
import { ApiKeys } from './api-keys.js';
import { ApiKeysController } from './api-keys.controller.js';
import { KeyAdministration } from './key-administration.js';
import { KeyExpiry } from './key-expiry.js';
import { OidcTokens } from './oidc-tokens.js';
import { RefusedCredentials } from './refused-credentials.js';

@Module({
  imports: [EventsModule],
  controllers: [ApiKeysController],
  providers: [AccessHook, ApiKeys, KeyAdministration, KeyExpiry, OidcTokens, RefusedCredentials],
  exports: [AccessHook, KeyAdministration],
})
export class AccessModule {}

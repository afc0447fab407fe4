"""Routes about the people shown: their consents, the data held about them, and withdrawal."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query

from sonic_core.fleet.forget import withdraw_consent, withdraw_subject
from sonic_core.ledger.forgetting import consents_of, held_about
from sonic_core.service.context import Service
from sonic_core.storage.store import ObjectNotFound

Subject = Annotated[str, Query(min_length=1, max_length=200)]


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["consents"])
    ledger, stores = service.ledger, service.stores
    User = Annotated[str, Depends(service.user)]

    @routes.get("/consents")
    def listing(who: User, subject: Annotated[str | None, Query(max_length=200)] = None) -> list[dict[str, Any]]:
        """Your consent records, newest first; those of one person with `subject`."""
        return [vars(consent) for consent in consents_of(ledger, who, subject)]

    @routes.delete("/consents/{consent_id}")
    def withdraw(consent_id: str, who: User) -> dict[str, Any]:
        """Withdraws a consent: its jobs end, and the material it covered is deleted."""
        return {"id": consent_id, "jobs": withdraw_consent(ledger, stores, consent_id, who)}

    @routes.delete("/consents")
    def withdraw_all(who: User, subject: Subject) -> dict[str, Any]:
        """Withdraws every consent of a person."""
        if not consents_of(ledger, who, subject, limit=1):
            raise HTTPException(404, f"You have no consent of {subject[:100]!r}.")
        return {"subject": subject, "jobs": withdraw_subject(ledger, stores, subject, who)}

    @routes.get("/export")
    def export(who: User, subject: Subject) -> dict[str, Any]:
        """Everything held about a person, with links to the objects that expire."""
        held = held_about(ledger, who, subject)
        keys = {facts["key"] for job in held["jobs"] for facts in job["inputs"].values()}
        keys |= {job["output"]["key"] for job in held["jobs"] if job["output"]}
        keys |= {asset["key"] for asset in held["assets"]}
        return {**held, "objects": {key: found for key in sorted(keys) if (found := link(key)) is not None}}

    def link(key: str) -> str | None:
        try:
            stores.of(key).head(key)
        except ObjectNotFound:
            return None
        return stores.of(key).sign(key, seconds=stores.link_seconds)

    return routes

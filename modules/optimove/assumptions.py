"""What this app takes for true of Optimove, and the vendor was not seen to say."""

from __future__ import annotations

from engine import Assumption

ASSUMPTIONS = (
    Assumption(
        about="names of the twelve loyalty events",
        assumed="They are called as the integration's guide lists them, in snake case; opting in or out is one event.",
        changed_by="event_names",
        settled_by="the list of events on a site that Optimove has connected with Yotpo",
        mark="unknown",
        source="the vendor's article with an example of each event, which could not be found",
    ),
    Assumption(
        about="parameters of the twelve loyalty events",
        assumed="A parameter is called as its place in Yotpo's body is, with underscores.",
        changed_by="modules.optimove.loyalty:EVENTS",
        settled_by="the list of events on a site that Optimove has connected with Yotpo",
        mark="unknown",
        source="the vendor's article with an example of each event, which could not be found",
        shown_by=("names and parameters of the twelve events are those of this app",),
    ),
    Assumption(
        about="topic of Coupon Earned",
        assumed="Coupon Earned is swell/redemption/created, both for coupons that are bought with points and for those "
        "that a campaign gives; the parameter awarded says which.",
        changed_by="modules.optimove.loyalty:EVENTS",
        settled_by="the vendor's article on the events, or a redeemed coupon on a connected site",
        mark="inferred",
        source="another vendor's integration, which has Coupon Earned (Awarded) and Coupon Earned (Redeemed)",
    ),
    Assumption(
        about="bodies that come to the Yotpo endpoint",
        assumed="The body is Yotpo's own, and what is none of the twelve, or is about nobody, is dropped.",
        changed_by="modules.optimove.watch:parse",
        settled_by="the vendor's article on the integration, or one webhook of a connected site",
        mark="inferred",
        source="Yotpo has one URL for all its events, into which the endpoint is entered",
        shown_by=(
            "what comes to /yotpo is a body of Yotpo's own",
            "what comes to /yotpo and is none of the twelve, or is about nobody, is answered 200 and dropped",
        ),
    ),
    Assumption(
        about="existing customers only",
        assumed="Whoever has an e-mail address in Yotpo's event is a customer whom Optimove knows by it. No loyalty "
        "event is sent for a visitor, and nothing is looked up: server-side events were seen to have nothing to ask.",
        changed_by="modules.optimove.loyalty:EVENTS",
        settled_by="an event sent for an address that the site does not know",
        mark="inferred",
        source="the integration's guide: customers are known by their e-mail address, and visitors are left out",
        shown_by=("an event of a customer whom the site does not know is taken; that it is refused is a setting",),
    ),
    Assumption(
        about="header of the real-time token",
        assumed="The real-time token goes into a header, whose name Optimove tells; there is no default.",
        changed_by="token_header",
        settled_by="what Optimove's Product Integration Team sends with the token",
        mark="unknown",
        source="the vendor's page on server-side events, which names the token and was seen in part",
        shown_by=("the real-time token is in a header, and a wrong one is refused like a wrong tenant",),
    ),
    Assumption(
        about="HTTP status of an error",
        assumed="A refusal is answered 200 with status error in the body; a status from 400 on is understood as well.",
        changed_by="modules.optimove.connection:REFUSED",
        settled_by="one event of an unknown name, sent to a real endpoint",
        mark="inferred",
        source="the documented answers, whose bodies have a status of their own",
        shown_by=("a refusal has HTTP status 200; another is a setting",),
    ),
    Assumption(
        about="which errors prove that nothing was recorded",
        assumed="An event whose error begins with 'Failed to validate the event' was not recorded. Of any other error "
        "nothing is concluded: the outcome is unknown, and the run is held.",
        changed_by="modules.optimove.connection:NOT_VALID",
        settled_by="the vendor's section on server-side responses",
        mark="inferred",
        source="the documented error, and what its words mean",
        shown_by=(
            "other refusals begin with the same words; how they go on is made up",
            "a key that is not documented is refused",
        ),
    ),
    Assumption(
        about="what is looked at first",
        assumed="The tenant is looked at before the event, so that a request without an event's name proves the "
        "connection and records nothing.",
        changed_by="modules.optimove.connection:check",
        settled_by="`engine connections test` with a wrong tenant ID",
        mark="inferred",
        source="the documented error",
        shown_by=("the tenant is looked at before the event",),
    ),
    Assumption(
        about="requests in a second",
        assumed="A site takes 10 events in a second, and answers 429 to more.",
        changed_by="requests_per_second",
        settled_by="the vendor's section on the rate limit",
        mark="unknown",
        source="the vendor's page on server-side events, which has such a section and was seen in part",
        shown_by=("more than 10 requests in a second are answered 429",),
    ),
    Assumption(
        about="names in lower case",
        assumed="Names of events and parameters are lower case.",
        changed_by="modules.optimove.connection:SNAKE_CASE",
        settled_by="the list of events on a real site",
        mark="inferred",
        source="the vendor's guides to its mobile SDKs; its page on server-side events says snake case, and that case "
        "counts. A name that is otherwise goes into event_names",
        shown_by=("names are lower case",),
    ),
    Assumption(
        about="parameters of one event",
        assumed="An event has at most 50 parameters.",
        changed_by="modules.optimove.connection:MOST_PARAMETERS",
        settled_by="the vendor's page on server-side events",
        mark="inferred",
        source="the vendor's guides to its mobile SDKs",
        shown_by=("an event has at most 50 parameters, as in the vendor's mobile SDKs",),
    ),
    Assumption(
        about="the same event twice",
        assumed="The same event sent twice is two events, so that what is unknown is never sent again.",
        changed_by="modules.optimove.send_event:SEND_EVENT",
        settled_by="the vendor's page on server-side events",
        mark="inferred",
        source="an event has no identity of its own",
        shown_by=("the same event twice is two events",),
    ),
)

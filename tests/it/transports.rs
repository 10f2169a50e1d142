//! What needs no paused clock holds for every transport: the service called directly, hyper with
//! HTTP/1 and HTTP/2, and axum. Each case is written once, in the file that its path names.

/// A test of each case over this transport, with this attribute.
macro_rules! for_every_case {
    (#[$attribute:meta] $via:expr) => {
        for_every_case! { @ #[$attribute] $via;
            verification {
                every_signature_failure_gets_the_same_401_and_touches_neither_parser_nor_store
                doubled_headers_are_refused_whichever_of_them_is_right_unless_they_are_equal
                the_older_header_counts_only_where_the_newer_is_absent
            }
            request_limits {
                a_request_that_is_not_posted_is_405_and_names_post
                an_encoded_body_is_415
                a_body_over_the_limit_is_413_and_one_of_exactly_the_limit_is_read
                requests_over_capacity_are_503_before_they_are_read
                a_body_in_single_bytes_is_the_same_body
                a_trickled_body_is_cut
            }
            hang_up {
                a_provider_that_hangs_up_while_the_body_is_read_leaves_nothing_behind
                a_provider_that_hangs_up_mid_handler_changes_nothing_and_its_retry_gets_200
            }
            parsing {
                an_authentic_body_that_is_no_event_is_400_and_is_not_marked_as_seen
                authentic_json_that_is_no_event_is_400_and_leaves_the_store_alone
                an_id_of_the_longest_length_and_of_any_language_is_taken
            }
            handler_outcomes {
                a_topic_without_a_handler_is_acknowledged_and_not_recorded
                a_handler_that_fails_is_500_and_its_event_runs_again
                a_handler_that_asks_for_time_is_503_with_retry_after
                a_handler_that_panics_is_500_and_its_event_runs_again
                a_handler_that_rejects_for_good_is_200_and_never_runs_again
            }
            dedup {
                a_handled_event_is_done_and_200
                a_duplicate_of_a_finished_event_is_200_empty_and_does_not_run
                a_body_that_was_formatted_anew_is_the_same_event
                an_event_that_another_process_runs_is_503_until_it_is_released
            }
            conflict {
                the_same_id_with_another_fingerprint_is_500_and_changes_nothing
                other_facts_are_503_while_another_process_runs_the_id_and_run_once_it_is_free
                other_facts_run_after_a_run_that_failed
                other_facts_run_after_a_lease_that_is_over
                another_event_under_the_id_of_a_running_one_does_not_wait_for_its_answer
            }
            inner_service {
                an_inner_2xx_is_done_and_forwarded
                an_inner_4xx_or_5xx_is_forwarded_and_its_event_runs_again
                an_inner_3xx_or_1xx_is_500_and_its_event_runs_again
                an_inner_error_is_500_and_its_event_runs_again
                the_inner_service_gets_the_request_with_its_body_and_the_delivery
            }
            store_failures {
                a_store_that_fails_at_claim_is_503_and_its_claim_is_released
                a_complete_that_fails_is_200_and_a_drain_waits_until_it_is_recorded
            }
            inbox_over_transports {
                a_delivery_is_stored_and_200
                a_copy_is_200_whatever_became_of_the_first
                an_event_that_runs_before_its_response_elsewhere_is_503
                an_inbox_that_fails_is_503
                what_is_forged_or_no_event_is_refused_and_not_stored
                a_topic_that_is_not_wanted_is_200_and_not_stored
                a_draining_inbox_is_503
            }
            drain {
                a_draining_layer_is_503_and_waits_for_its_handlers
                a_drain_that_runs_out_of_time_cancels_releases_and_lists_what_remained
            }
        }
    };
    (@ #[$attribute:meta] $via:expr; $($file:ident { $($case:ident)* })*) => {
        $(
            mod $file {
                $(
                    #[$attribute]
                    async fn $case() {
                        // A call that never ends is a failure too.
                        let limit = std::time::Duration::from_secs(120);
                        tokio::time::timeout(limit, crate::$file::$case($via)).await.unwrap();
                    }
                )*
            }
        )*
    };
}

mod direct {
    for_every_case!(
        #[tokio::test(start_paused = true)]
        crate::wire::Via::Service
    );
}

mod hyper_http1 {
    for_every_case!(
        #[tokio::test]
        crate::wire::Via::Hyper1
    );
}

mod hyper_http2 {
    for_every_case!(
        #[tokio::test]
        crate::wire::Via::Hyper2
    );
}

mod axum {
    for_every_case!(
        #[tokio::test]
        crate::wire::Via::Axum
    );
}

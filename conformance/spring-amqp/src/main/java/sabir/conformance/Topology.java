package sabir.conformance;

import org.springframework.amqp.core.AcknowledgeMode;
import org.springframework.amqp.core.Binding;
import org.springframework.amqp.core.BindingBuilder;
import org.springframework.amqp.core.Declarables;
import org.springframework.amqp.core.ExchangeBuilder;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.core.QueueBuilder;
import org.springframework.amqp.core.TopicExchange;
import org.springframework.amqp.rabbit.config.DirectRabbitListenerContainerFactory;
import org.springframework.amqp.rabbit.config.SimpleRabbitListenerContainerFactory;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.ConnectionFactory;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.amqp.rabbit.transaction.RabbitTransactionManager;
import org.springframework.amqp.support.converter.MessageConverter;
import org.springframework.boot.autoconfigure.amqp.RabbitProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** Everything that RabbitAdmin declares at start, and the containers that are not Spring Boot's own. */
@Configuration
public class Topology {
  static final String EXCHANGE = "orders";
  static final String ACCEPTED = "orders.accepted";
  static final String DEAD = "orders.dead";
  static final String DELAYED = "orders.delayed";
  static final String PRICED = "orders.priced";
  static final String QUOTES = "orders.quotes";
  static final String MANUAL = "orders.manual";
  static final String BATCHES = "orders.batches";
  static final String LEDGER = "orders.ledger";
  static final String QUORUM = "orders.quorum";

  @Bean
  TopicExchange exchange() {
    return ExchangeBuilder.topicExchange(EXCHANGE).durable(true).build();
  }

  @Bean
  Queue accepted() {
    return QueueBuilder.durable(ACCEPTED).deadLetterExchange("").deadLetterRoutingKey(DEAD).build();
  }

  @Bean
  Binding acceptedBinding(Queue accepted, TopicExchange exchange) {
    return BindingBuilder.bind(accepted).to(exchange).with("order.accepted.#");
  }

  @Bean
  Declarables others() {
    return new Declarables(
        QueueBuilder.durable(DEAD).build(),
        QueueBuilder.durable(DELAYED).ttl(300).deadLetterExchange("").deadLetterRoutingKey(LEDGER).build(),
        QueueBuilder.durable(PRICED).maxPriority(10).build(),
        QueueBuilder.durable(QUOTES).build(),
        QueueBuilder.durable(MANUAL).build(),
        QueueBuilder.durable(BATCHES).build(),
        QueueBuilder.durable(LEDGER).build(),
        QueueBuilder.durable(QUORUM)
            .quorum()
            .deliveryLimit(2)
            .deadLetterExchange("")
            .deadLetterRoutingKey(DEAD)
            .build());
  }

  @Bean
  SimpleRabbitListenerContainerFactory manual(ConnectionFactory connections) {
    var factory = new SimpleRabbitListenerContainerFactory();
    factory.setConnectionFactory(connections);
    factory.setAcknowledgeMode(AcknowledgeMode.MANUAL);
    return factory;
  }

  @Bean
  SimpleRabbitListenerContainerFactory batching(ConnectionFactory connections, MessageConverter converter) {
    var factory = new SimpleRabbitListenerContainerFactory();
    factory.setConnectionFactory(connections);
    factory.setMessageConverter(converter);
    factory.setBatchListener(true);
    factory.setConsumerBatchEnabled(true);
    factory.setBatchSize(5);
    factory.setReceiveTimeout(2000L);
    return factory;
  }

  @Bean
  DirectRabbitListenerContainerFactory direct(ConnectionFactory connections, MessageConverter converter) {
    var factory = new DirectRabbitListenerContainerFactory();
    factory.setConnectionFactory(connections);
    factory.setMessageConverter(converter);
    factory.setConsumersPerQueue(2);
    return factory;
  }

  /** Publishes in AMQP transactions; confirms and transactions exclude each other on a channel. */
  @Bean
  RabbitTemplate transactional(RabbitProperties properties, MessageConverter converter) throws Exception {
    var connections = new CachingConnectionFactory();
    connections.setAddresses(properties.determineAddresses());
    connections.setUsername(properties.determineUsername());
    connections.setPassword(properties.determinePassword());
    var template = new RabbitTemplate(connections);
    template.setMessageConverter(converter);
    template.setChannelTransacted(true);
    return template;
  }

  @Bean
  RabbitTransactionManager transactions(RabbitTemplate transactional) {
    return new RabbitTransactionManager(transactional.getConnectionFactory());
  }

  /** The template of everything else: Spring Boot's own steps back when there is another one. */
  @Bean
  RabbitTemplate template(ConnectionFactory connections, MessageConverter converter) {
    var template = new RabbitTemplate(connections);
    template.setMessageConverter(converter);
    template.setMandatory(true);
    template.setReplyTimeout(10_000);
    return template;
  }
}
